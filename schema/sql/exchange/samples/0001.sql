INSERT INTO device VALUES ('device-1', 'org-1', 'gateway', 'mailreeve-gateway', '', '0.1', 'S1', 'gw.example.org', 'registered',
  '192.0.2.7', 12, '', 1767225600000000, 1767225600000000, NULL, NULL);
INSERT INTO device_certificate VALUES ('cc', 'device-1', '01', 1767225600000000, 1775001600000000, NULL, NULL);
INSERT INTO registration_token VALUES ('dd', 'org-1', 'device-1', 'user-1', 1767225600000000, 1767229200000000, 1767225600000000, NULL);
