-- Organisations, people, API clients, sign-in sessions. Times are microseconds since 1970, UTC. Secrets are kept as
-- hashes only: argon2id for what people choose or remember, SHA-256 (hex) for random secrets of 256 bits.

CREATE TABLE organisation (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE account (
  id TEXT NOT NULL PRIMARY KEY,
  org_id TEXT NOT NULL REFERENCES organisation (id),
  name TEXT NOT NULL,
  nick TEXT NOT NULL,
  email TEXT NOT NULL,
  login_name TEXT NOT NULL UNIQUE,
  login_email TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  last_logged_at BIGINT
);

CREATE TABLE api_client (
  id TEXT NOT NULL PRIMARY KEY,
  org_id TEXT NOT NULL REFERENCES organisation (id),
  owner_id TEXT NOT NULL REFERENCES account (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  scopes TEXT NOT NULL,
  grants TEXT NOT NULL,
  redirects TEXT NOT NULL,
  availability TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT
);

CREATE TABLE session (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id),
  secret_hash TEXT NOT NULL,
  previous_hash TEXT NOT NULL,
  rotated_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  address TEXT NOT NULL
);
CREATE INDEX session_by_account ON session (account_id);
CREATE INDEX session_by_expiry ON session (expires_at);

-- Clients and sessions whose access tokens are refused although they have not yet run out.
CREATE TABLE revocation (
  subject TEXT NOT NULL PRIMARY KEY,
  revoked_until BIGINT NOT NULL
);
