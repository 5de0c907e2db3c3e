-- The global store: the tables of schema/sql/intel under another beginning (a test holds the two against each other).


CREATE TABLE global_intel_document (
  n BIGINT NOT NULL PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
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
CREATE INDEX global_intel_document_by_time ON global_intel_document (kind, org, stamp, created, id);
CREATE INDEX global_intel_document_by_creation ON global_intel_document (kind, created);
CREATE INDEX global_intel_document_by_feed ON global_intel_document (feed, generation) WHERE feed <> '';
CREATE INDEX global_intel_document_by_expiry ON global_intel_document (expires) WHERE feed <> '';

-- Values of fields, and words (src/response/intel/fields.h tells the numbers).
CREATE TABLE global_intel_term (
  field BIGINT NOT NULL,
  value TEXT COLLATE "C" NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (field, value, n)
);

CREATE TABLE global_intel_observable (
  code BIGINT NOT NULL,
  kind BIGINT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (code, kind, n)
);

-- In the order in which a verdict is chosen; place is minus the priority.
CREATE TABLE global_intel_judgement (
  code BIGINT NOT NULL,
  place BIGINT NOT NULL,
  disposition BIGINT NOT NULL,
  valid_from BIGINT NOT NULL,
  n BIGINT NOT NULL,
  valid_to BIGINT NOT NULL,
  PRIMARY KEY (code, place, disposition, valid_from, n)
);

CREATE TABLE global_intel_relation (
  n BIGINT NOT NULL PRIMARY KEY,
  type TEXT NOT NULL,
  source TEXT NOT NULL,
  target TEXT NOT NULL
);
CREATE INDEX global_intel_relation_by_source ON global_intel_relation (source, type, target);
CREATE INDEX global_intel_relation_by_target ON global_intel_relation (target, source, type);

-- What a person has chosen: the case at hand.
CREATE TABLE global_intel_mark (
  login TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (login, name)
);

-- Answers as they were at one moment, for an investigation; never changed.
CREATE TABLE global_intel_snapshot (
  id TEXT NOT NULL PRIMARY KEY,
  investigation TEXT NOT NULL,
  org TEXT NOT NULL,
  owner TEXT NOT NULL,
  created BIGINT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX global_intel_snapshot_by_investigation ON global_intel_snapshot (investigation, created);

-- The next number of a document.
CREATE TABLE global_intel_counter (
  name TEXT NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);
INSERT INTO global_intel_counter (name, value) VALUES ('document', 1);
