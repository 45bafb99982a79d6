ALTER TABLE lumaleasing_config DROP COLUMN IF EXISTS version;
ALTER TABLE lumaleasing_config DROP COLUMN IF EXISTS key_id;
DROP TABLE IF EXISTS crm.rate_limits;
