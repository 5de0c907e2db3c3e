-- People and programs that may use the gateway's REST API. Times are microseconds since 1970, UTC. Passwords are kept as
-- argon2id hashes only. `generation` grows with every change of password or role: what was issued before is refused.

CREATE TABLE gateway_user (
  name TEXT NOT NULL PRIMARY KEY,
  role TEXT NOT NULL,
  email TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  generation TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  last_login_at BIGINT
);
