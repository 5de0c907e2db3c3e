INSERT INTO module_record VALUES ('m-1', 'instance', 'org-1', 'user-1', '', 'type-1', 'org', 1, '{"name":"Relay"}', 'sealed', 1,
  1767225600000000, 1767225600000000);
