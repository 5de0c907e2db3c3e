-- Tracked mail. Times are microseconds since 1970 UTC. docs/message-record.md describes the record.

-- What search filters on and sorts by; one row a message.
CREATE TABLE messages (
  mid INTEGER PRIMARY KEY,
  received INTEGER NOT NULL,
  icid INTEGER NOT NULL,
  direction INTEGER NOT NULL,
  queue_id TEXT NOT NULL,
  client_address TEXT NOT NULL,
  subject TEXT NOT NULL,  -- every subject, case and width folded, each between line feeds
  kinds INTEGER NOT NULL  -- bit n: an event of kind n happened
);
CREATE INDEX messages_received ON messages (received, mid);
CREATE INDEX messages_queue_id ON messages (queue_id, received, mid);
CREATE INDEX messages_icid ON messages (icid, received, mid);

-- The encoded record in a zstd frame with checksum, apart from what search walks over.
CREATE TABLE records (
  mid INTEGER PRIMARY KEY,
  record BLOB NOT NULL
);

-- Events after the record was written, and those of the record that have a key.
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  mid INTEGER NOT NULL,
  dedup_key TEXT,
  event BLOB NOT NULL
);
CREATE UNIQUE INDEX events_mid ON events (mid, dedup_key);

-- Which messages show an observable: newest first within one fingerprint by walking the key backwards.
CREATE TABLE postings (
  fingerprint INTEGER NOT NULL,
  received INTEGER NOT NULL,
  mid INTEGER NOT NULL,
  PRIMARY KEY (fingerprint, received, mid)
) WITHOUT ROWID;

-- "mid" and "icid": the first id that is not reserved yet. "records": how many records are held.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('mid', 1), ('icid', 1), ('records', 0);
