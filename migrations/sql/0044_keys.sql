-- The key store: data keys of data subjects and secret keys, all wrapped by a master key that no
-- database has. Every statement can be repeated: with CRM_KEYS_URL, the same schema is created in a
-- database of its own, and the tables here stay empty.
CREATE SCHEMA IF NOT EXISTS crm_keys;
CREATE TABLE IF NOT EXISTS crm_keys.data_keys (
  subject_id uuid PRIMARY KEY,
  key_id uuid NOT NULL UNIQUE,
  wrapped bytea,
  master_key text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  destroyed_at timestamptz,
  CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
  CHECK ((wrapped IS NULL) = (master_key IS NULL))
);
CREATE INDEX IF NOT EXISTS data_keys_master_key ON crm_keys.data_keys (master_key);
CREATE TABLE IF NOT EXISTS crm_keys.secret_keys (
  purpose text PRIMARY KEY,
  wrapped bytea NOT NULL,
  master_key text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- As in the log's database, which has the role already.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
    CREATE ROLE service_role NOLOGIN BYPASSRLS;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
  IF NOT pg_has_role(current_user, 'service_role', 'MEMBER') THEN
    GRANT service_role TO CURRENT_USER;
  END IF;
END $$;
REVOKE ALL ON SCHEMA crm_keys FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA crm_keys FROM PUBLIC;
GRANT USAGE ON SCHEMA crm_keys TO service_role;
-- A key is never deleted: its bytes are destroyed, and its row says when.
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA crm_keys TO service_role;
