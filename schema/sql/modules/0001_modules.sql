-- Module types that organisations posted, patches to them, integrations, and module instances of every type but devices.
-- `document` is the record as JSON without what may hold secrets (an instance's settings, a type's properties): that is
-- in `sealed`, encrypted by a key that is not in the database. Times are microseconds since 1970, UTC.

CREATE TABLE module_record (
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  org_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  parent_id TEXT NOT NULL,
  visibility TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  document TEXT NOT NULL,
  sealed TEXT NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX module_record_by_org ON module_record (kind, org_id);
CREATE INDEX module_record_by_parent ON module_record (parent_id);

-- Counts the changes, so that a node knows whether what it keeps in memory is still true.
CREATE TABLE module_change (
  id BIGINT NOT NULL PRIMARY KEY,
  counter BIGINT NOT NULL
);
INSERT INTO module_change (id, counter) VALUES (1, 0);
