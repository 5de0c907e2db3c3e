INSERT INTO recovery_code VALUES ('user-1', 'h1');
INSERT INTO known_address VALUES ('user-1', '192.0.2.1', 1767225600000000);
