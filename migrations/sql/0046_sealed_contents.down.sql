-- What is sealed cannot be read here, so it cannot be kept.
DO $$ BEGIN
  IF EXISTS (SELECT FROM crm.dead_letters WHERE status = 'open')
    OR EXISTS (SELECT FROM crm.intake_waiting) THEN
    RAISE EXCEPTION 'records of producers are sealed: redrive or drop the open dead letters, and let the intake process the pending records';
  END IF;
END $$;
DELETE FROM crm.dead_letters;
ALTER TABLE crm.dead_letters ADD COLUMN key bytea, ADD COLUMN value bytea,
  ADD COLUMN headers jsonb NOT NULL, ADD COLUMN detail text NOT NULL, DROP COLUMN content;
ALTER TABLE crm.intake_waiting ADD COLUMN key bytea, ADD COLUMN value bytea,
  ADD COLUMN headers jsonb NOT NULL, DROP COLUMN content;

-- A repetition of a command within its time is decided again.
DELETE FROM crm.commands;
ALTER TABLE crm.commands ALTER COLUMN answer TYPE jsonb USING NULL;

ALTER TABLE crm.policy_failures ALTER COLUMN detail TYPE text
  USING 'this detail is sealed: retry the failure';
