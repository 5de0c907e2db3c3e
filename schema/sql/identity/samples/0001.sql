INSERT INTO organisation VALUES ('org-1', 'Example', 1767225600000000, 1767225600000000);
INSERT INTO account VALUES ('user-1', 'org-1', 'admin', 'admin', 'admin@example.org', 'admin', 'admin@example.org', 'admin',
  '$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA', 1, 1767225600000000, 1767225600000000, NULL);
INSERT INTO api_client VALUES ('client-1', 'org-1', 'user-1', 'Program', '', 'aa', 'inspect:read', 'client-creds', '', 'org', 1,
  1767225600000000, NULL);
INSERT INTO session VALUES ('session-1', 'user-1', 'bb', '', 1767225600000000, 1767225600000000, 1767268800000000, '192.0.2.1');
INSERT INTO revocation VALUES ('client client-0', 1767226200000000);
