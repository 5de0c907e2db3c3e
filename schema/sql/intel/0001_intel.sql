-- Documents of the intelligence model, whole, and what they are found by. The names begin with intel_; a second store
-- in the same database has the same tables under another beginning. Times are microseconds since 1970, UTC.

CREATE TABLE intel_document (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind BIGINT NOT NULL,
  org TEXT NOT NULL,
  owner TEXT NOT NULL,
  tlp BIGINT NOT NULL,
  shared BIGINT NOT NULL,
  stamp BIGINT NOT NULL,
  created BIGINT NOT NULL,
  modified BIGINT NOT NULL,
  feed TEXT NOT NULL,
  generation BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  body TEXT NOT NULL,
  hidden TEXT NOT NULL
);
CREATE INDEX intel_document_by_time ON intel_document (kind, org, stamp, created, id);
CREATE INDEX intel_document_by_creation ON intel_document (kind, created);
CREATE INDEX intel_document_by_feed ON intel_document (feed, generation) WHERE feed <> '';
CREATE INDEX intel_document_by_expiry ON intel_document (expires) WHERE feed <> '';

-- Values of fields, and words (src/response/intel/fields.h tells the numbers).
CREATE TABLE intel_term (
  field BIGINT NOT NULL,
  value TEXT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (field, value, n)
) WITHOUT ROWID;

CREATE TABLE intel_observable (
  code BIGINT NOT NULL,
  kind BIGINT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (code, kind, n)
) WITHOUT ROWID;

-- In the order in which a verdict is chosen; place is minus the priority.
CREATE TABLE intel_judgement (
  code BIGINT NOT NULL,
  place BIGINT NOT NULL,
  disposition BIGINT NOT NULL,
  valid_from BIGINT NOT NULL,
  n BIGINT NOT NULL,
  valid_to BIGINT NOT NULL,
  PRIMARY KEY (code, place, disposition, valid_from, n)
) WITHOUT ROWID;

CREATE TABLE intel_relation (
  n INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  source TEXT NOT NULL,
  target TEXT NOT NULL
);
CREATE INDEX intel_relation_by_source ON intel_relation (source, type, target);
CREATE INDEX intel_relation_by_target ON intel_relation (target, source, type);

-- What a person has chosen: the case at hand.
CREATE TABLE intel_mark (
  login TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (login, name)
);

-- Answers as they were at one moment, for an investigation; never changed.
CREATE TABLE intel_snapshot (
  id TEXT NOT NULL PRIMARY KEY,
  investigation TEXT NOT NULL,
  org TEXT NOT NULL,
  owner TEXT NOT NULL,
  created BIGINT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX intel_snapshot_by_investigation ON intel_snapshot (investigation, created);

-- The next number of a document.
CREATE TABLE intel_counter (
  name TEXT NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);
INSERT INTO intel_counter (name, value) VALUES ('document', 1);
