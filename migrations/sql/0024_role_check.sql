-- A policy applies to every role that inherits the privileges of its roles. The login of the core is
-- a member of anon and authenticated, and so can be the host's own role: it claims no role, and the
-- check of the claimed role would hide all rows from it. So the check now concerns clients only.
DO $$
DECLARE tbl regclass;
BEGIN
  FOR tbl IN SELECT polrelid FROM pg_policy WHERE polname = 'The claimed role is the real one'
  LOOP
    EXECUTE format('ALTER POLICY "The claimed role is the real one" ON %s USING ((SELECT '
      'current_user NOT IN (''anon'', ''authenticated'') OR auth.role() = current_user::text))', tbl);
  END LOOP;
END $$;

CREATE OR REPLACE PROCEDURE crm.guard_table(tbl regclass, route text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('CREATE POLICY "The claimed role is the real one" ON %s AS RESTRICTIVE FOR ALL '
    'TO anon, authenticated USING ((SELECT current_user NOT IN (''anon'', ''authenticated'') '
    'OR auth.role() = current_user::text))', tbl);
  EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON %s '
    'FROM PUBLIC, anon, authenticated', tbl);
  EXECUTE format('GRANT SELECT ON %s TO authenticated', tbl);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO service_role', tbl);
  EXECUTE format('DROP TRIGGER IF EXISTS crm_only_engine ON %s', tbl);
  EXECUTE format(
    'CREATE TRIGGER crm_only_engine BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
    'FOR EACH STATEMENT WHEN (current_setting(''crm.engine'', true) IS DISTINCT FROM ''on'') '
    'EXECUTE FUNCTION crm.refuse_direct_write(%L)', tbl, 'Use ' || route || '.');
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER crm_only_engine', tbl);
END $$;
