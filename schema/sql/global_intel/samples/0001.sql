INSERT INTO global_intel_document VALUES (1, 'actor-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11', 1, 'org-1', 'user-1', 1, 0, 1767225600000000,
  1767225600000000, 1767225600000000, '', 0, 9223372036854775807, '{"id":"actor-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11"}', '');
INSERT INTO global_intel_term VALUES (7, 'ape', 1);
INSERT INTO global_intel_observable VALUES (-5, 1, 1);
INSERT INTO global_intel_judgement VALUES (-5, -90, 2, 1767225600000000, 1, 9223372036854775807);
INSERT INTO global_intel_relation VALUES (1, 'element-of', 'judgement-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11', 'indicator-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11');
INSERT INTO global_intel_mark VALUES ('user-1', 'case', 'casebook-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11');
INSERT INTO global_intel_snapshot VALUES ('snapshot-1', 'investigation-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11', 'org-1', 'user-1', 1767225600000000, 't', '{}');
