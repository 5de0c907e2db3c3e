-- Times are microseconds since 1970, UTC.
CREATE TABLE device (
  id TEXT NOT NULL PRIMARY KEY,
  organisation_id TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  description TEXT NOT NULL,
  version TEXT NOT NULL,
  serial TEXT NOT NULL,
  host_name TEXT NOT NULL,
  -- enrolling: made here, not registered yet; registered; removed. Connected or not is known by the channel.
  state TEXT NOT NULL CHECK (state IN ('enrolling', 'registered', 'removed')),
  address TEXT NOT NULL,
  clock_skew_ms BIGINT NOT NULL,
  alert TEXT NOT NULL,
  created BIGINT NOT NULL,
  registered BIGINT,
  last_seen BIGINT,
  removed BIGINT
);
CREATE INDEX device_by_organisation ON device (organisation_id, created, id);

CREATE TABLE device_certificate (
  sha256 TEXT NOT NULL PRIMARY KEY,
  device_id TEXT NOT NULL REFERENCES device (id),
  serial TEXT NOT NULL,
  issued BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  first_used BIGINT,
  revoked BIGINT
);
CREATE INDEX device_certificate_by_device ON device_certificate (device_id, issued);

-- Only the SHA-256 of a token is kept.
CREATE TABLE registration_token (
  hash TEXT NOT NULL PRIMARY KEY,
  organisation_id TEXT NOT NULL,
  -- Set: registers this device; else a new one.
  device_id TEXT REFERENCES device (id),
  made_by TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  used BIGINT,
  revoked BIGINT
);
CREATE INDEX registration_token_by_device ON registration_token (device_id);
CREATE INDEX registration_token_by_expiry ON registration_token (expires);
