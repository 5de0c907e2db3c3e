-- API clients: public ones, expiry, and a secret that is being replaced.
ALTER TABLE api_client ADD COLUMN is_public BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_client ADD COLUMN allow_partial BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_client ADD COLUMN expires_at BIGINT;
ALTER TABLE api_client ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_client ADD COLUMN previous_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE api_client ADD COLUMN previous_until BIGINT NOT NULL DEFAULT 0;

-- What a browser is about to sign in and consent to. Bound to the browser by a cookie.
CREATE TABLE oauth_request (
  id_hash TEXT NOT NULL PRIMARY KEY,
  browser_hash TEXT NOT NULL,
  client_id TEXT NOT NULL REFERENCES api_client (id) ON DELETE CASCADE,
  redirect_uri TEXT NOT NULL,
  scopes TEXT NOT NULL,
  state TEXT NOT NULL,
  nonce TEXT NOT NULL,
  challenge TEXT NOT NULL,
  challenge_method TEXT NOT NULL,
  device_hash TEXT NOT NULL,
  account_id TEXT NOT NULL,
  authenticated_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_request_by_expiry ON oauth_request (expires_at);

-- Authorization codes; used ones are kept until they run out, to see a second use.
CREATE TABLE oauth_code (
  code_hash TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES api_client (id) ON DELETE CASCADE,
  account_id TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  scopes TEXT NOT NULL,
  nonce TEXT NOT NULL,
  challenge TEXT NOT NULL,
  challenge_method TEXT NOT NULL,
  authenticated_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  grant_id TEXT NOT NULL
);
CREATE INDEX oauth_code_by_expiry ON oauth_code (expires_at);

-- What a person allowed a client; its id stands as session in the access tokens.
CREATE TABLE oauth_grant (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES api_client (id) ON DELETE CASCADE,
  account_id TEXT NOT NULL,
  org_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  scopes TEXT NOT NULL,
  authenticated_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_grant_by_account ON oauth_grant (account_id, client_id);
CREATE INDEX oauth_grant_by_expiry ON oauth_grant (expires_at);

CREATE TABLE oauth_refresh (
  token_hash TEXT NOT NULL PRIMARY KEY,
  grant_id TEXT NOT NULL REFERENCES oauth_grant (id) ON DELETE CASCADE,
  used_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_refresh_by_grant ON oauth_refresh (grant_id);
CREATE INDEX oauth_refresh_by_expiry ON oauth_refresh (expires_at);

CREATE TABLE oauth_device (
  device_hash TEXT NOT NULL PRIMARY KEY,
  user_code_hash TEXT NOT NULL UNIQUE,
  client_id TEXT NOT NULL REFERENCES api_client (id) ON DELETE CASCADE,
  scopes TEXT NOT NULL,
  state TEXT NOT NULL,
  account_id TEXT NOT NULL,
  authenticated_at BIGINT NOT NULL,
  interval_s BIGINT NOT NULL,
  polled_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_device_by_expiry ON oauth_device (expires_at);
