DROP TABLE IF EXISTS crm.intake_waiting;
DROP TABLE IF EXISTS crm.dead_letters;
