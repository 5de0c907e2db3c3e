INSERT INTO gateway_user VALUES ('admin', 'administrator', 'admin@example.org', '$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA',
  'g1', 1767225600000000, 1767225600000000, NULL);
