DROP TABLE crm.intake_outcomes;
DROP INDEX crm.intake_waiting_turn;
UPDATE crm.intake_waiting SET give_up_at = next_try_at WHERE give_up_at IS NULL;
ALTER TABLE crm.intake_waiting ALTER COLUMN give_up_at SET NOT NULL;
