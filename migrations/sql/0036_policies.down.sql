DROP INDEX crm_events_activations;
DROP TABLE crm.policy_failures;
DELETE FROM crm.checkpoints WHERE projection_group = 'policies';
ALTER TABLE crm.log DROP COLUMN generation_from;
