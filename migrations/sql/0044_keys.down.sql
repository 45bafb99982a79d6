-- Without its keys, the personal data of the log is lost: they stay, and a later upgrade finds them.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM crm_keys.data_keys) AND NOT EXISTS (SELECT FROM crm_keys.secret_keys)
  THEN
    DROP SCHEMA crm_keys CASCADE;
  END IF;
END $$;
