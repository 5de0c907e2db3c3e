INSERT INTO plan VALUES ('plan-1', 'aa', 'delete', 1767225600000000, 1767229200000000, 'admin', '', '[]');
INSERT INTO batch VALUES ('batch-1', 'plan-1', 'aa', 'key-1', 'Clean up', 'delete', 'ended', '', 'admin', 1767225600000000,
  1767225601000000);
INSERT INTO item VALUES ('batch-1', 1, 17, 0, 'delete', 'done', 'succeeded', '', '', 1, '{}', 1767225601000000, 1);
INSERT INTO forward VALUES ('batch-1', 17, 'accepted', '<m1@example.org>', 'soc@example.org', 'imap', '', '250 ok', 'mx', '', 1,
  1767225600000000, 1767225601000000, '{}');
INSERT INTO step VALUES (1, 'batch-1', 17, 0, 1767225600000000, 'removed', '');
