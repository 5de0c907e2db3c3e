INSERT INTO oauth_request VALUES ('r1', 'b1', 'client-1', 'https://app.example/back', 'inspect:read', 'state', '', 'c', 'S256',
  '', '', 0, 1767226200000000);
INSERT INTO oauth_code VALUES ('c1', 'client-1', 'user-1', 'https://app.example/back', 'inspect:read', '', 'c', 'S256',
  1767225600000000, 1767225660000000, 'grant-1');
INSERT INTO oauth_grant VALUES ('grant-1', 'client-1', 'user-1', 'org-1', 'auth-code', 'inspect:read', 1767225600000000,
  1767225600000000, 1767225600000000, 1798761600000000);
INSERT INTO oauth_refresh VALUES ('t1', 'grant-1', 0, 1769817600000000);
INSERT INTO oauth_device VALUES ('d1', 'u1', 'client-1', 'inspect:read', 'pending', '', 0, 5, 0, 1767226200000000);
