-- People: passwords that must be changed, one-time codes, addresses known from earlier sign-ins.
ALTER TABLE account ADD COLUMN password_changed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN must_change_password BIGINT NOT NULL DEFAULT 0;
-- The secret of one-time codes, sealed (docs/identity.md); empty: none. It counts once it was confirmed by a code.
ALTER TABLE account ADD COLUMN totp_sealed TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN totp_confirmed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN totp_last_step BIGINT NOT NULL DEFAULT -1;
ALTER TABLE session ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0;

CREATE TABLE recovery_code (
  account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  code_hash TEXT NOT NULL,
  PRIMARY KEY (account_id, code_hash)
);

CREATE TABLE known_address (
  account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  address TEXT NOT NULL,
  seen_at BIGINT NOT NULL,
  PRIMARY KEY (account_id, address)
);
CREATE INDEX known_address_by_time ON known_address (seen_at);
