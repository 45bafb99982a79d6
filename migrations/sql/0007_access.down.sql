DROP FUNCTION score_lead(uuid);
DO $$
DECLARE policy record;
BEGIN
  FOR policy IN SELECT polname, polrelid::regclass AS tbl FROM pg_policy
    WHERE polrelid IN ('leads'::regclass, 'conversations'::regclass, 'messages'::regclass,
      'widget_sessions'::regclass, 'tours'::regclass, 'lumaleasing_config'::regclass,
      'workflow_definitions'::regclass, 'follow_up_templates'::regclass,
      'lead_workflows'::regclass, 'workflow_actions'::regclass,
      'lead_engagement_events'::regclass, 'lead_scores'::regclass, 'lead_activities'::regclass)
  LOOP
    EXECUTE format('DROP POLICY %I ON %s', policy.polname, policy.tbl);
    EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', policy.tbl);
    EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', policy.tbl);
  END LOOP;
END $$;
DROP POLICY "Members read their organization" ON organizations;
DROP POLICY "Members read their org properties" ON properties;
DROP POLICY "Members read their org profiles" ON profiles;
ALTER TABLE crm_events DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON crm_events, leads, conversations, messages, widget_sessions, tours,
  lead_engagement_events, lead_scores, lead_activities FROM anon, authenticated, service_role;
REVOKE ALL ON ALL TABLES IN SCHEMA crm, crm_state FROM service_role;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA crm FROM service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm, crm_state
  REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLES FROM service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm REVOKE USAGE ON SEQUENCES FROM service_role;
REVOKE USAGE ON SCHEMA crm, crm_state FROM service_role;
DROP PROCEDURE crm.guard_table(regclass, text);
DO $$
BEGIN
  IF obj_description(to_regprocedure('auth.uid()'), 'pg_proc')
     = 'stands in for the host platform''s' THEN
    DROP FUNCTION auth.uid();
  END IF;
  IF obj_description(to_regprocedure('auth.role()'), 'pg_proc')
     = 'stands in for the host platform''s' THEN
    DROP FUNCTION auth.role();
  END IF;
END $$;
DROP FUNCTION crm_api.property_ids();
DROP FUNCTION crm_api.org_id();
DROP FUNCTION crm_api.claim_uuid(text);
DROP FUNCTION crm_api.claim(text);
DROP SCHEMA crm_api;
