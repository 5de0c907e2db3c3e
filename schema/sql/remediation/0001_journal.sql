-- Plans, batches and the steps of their execution (docs/remediation.md). Times are microseconds since 1970.
CREATE TABLE plan (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL,
  action TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  caller TEXT NOT NULL,
  forward_address TEXT NOT NULL,
  items TEXT NOT NULL
);
CREATE INDEX plan_expires ON plan (expires);

CREATE TABLE batch (
  id TEXT PRIMARY KEY,
  plan_id TEXT NOT NULL UNIQUE,
  plan_hash TEXT NOT NULL,
  idempotency_key TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  action TEXT NOT NULL,
  state TEXT NOT NULL,
  forward_to TEXT NOT NULL,
  caller TEXT NOT NULL,
  created BIGINT NOT NULL,
  ended BIGINT
);
CREATE INDEX batch_created ON batch (created);

CREATE TABLE item (
  batch_id TEXT NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
  number BIGINT NOT NULL,
  mid BIGINT NOT NULL,
  rid BIGINT NOT NULL,
  planned TEXT NOT NULL,
  progress TEXT NOT NULL,
  outcome TEXT NOT NULL,
  why TEXT NOT NULL,
  detail TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  evidence TEXT NOT NULL,
  ended BIGINT,
  events_recorded BIGINT NOT NULL,
  PRIMARY KEY (batch_id, number)
);
CREATE INDEX item_message ON item (mid, rid);

CREATE TABLE forward (
  batch_id TEXT NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
  mid BIGINT NOT NULL,
  state TEXT NOT NULL,
  message_id TEXT NOT NULL,
  recipient TEXT NOT NULL,
  source TEXT NOT NULL,
  queue_id TEXT NOT NULL,
  reply TEXT NOT NULL,
  server TEXT NOT NULL,
  why TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  intended BIGINT,
  accepted BIGINT,
  evidence TEXT NOT NULL,
  PRIMARY KEY (batch_id, mid)
);

CREATE TABLE step (
  id INTEGER PRIMARY KEY,
  batch_id TEXT NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
  mid BIGINT NOT NULL,
  rid BIGINT,
  time BIGINT NOT NULL,
  name TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX step_batch ON step (batch_id);
