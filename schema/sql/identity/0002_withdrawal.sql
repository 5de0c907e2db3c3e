-- Withdrawal up to a moment: what is issued after it holds (a disabled client that is enabled again).
ALTER TABLE revocation ADD COLUMN issued_until BIGINT NOT NULL DEFAULT 9223372036854775807;
