-- Who may read what: the roles' schemas, row level security, grants, and what direct writes are
-- told. Callers are known by `request.jwt.claims`, which the API sets from what it has verified.
CREATE SCHEMA IF NOT EXISTS auth;
CREATE SCHEMA crm_api;

-- One claim of the caller; null where there is none, or the claims are malformed: that denies.
CREATE FUNCTION crm_api.claim(name text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> name;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END $$;

CREATE FUNCTION crm_api.claim_uuid(name text) RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN crm_api.claim(name)::uuid;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END $$;

DO $$
BEGIN
  IF to_regprocedure('auth.uid()') IS NULL THEN
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $body$ SELECT crm_api.claim_uuid('sub') $body$;
    COMMENT ON FUNCTION auth.uid() IS 'stands in for the host platform''s';
  END IF;
  IF to_regprocedure('auth.role()') IS NULL THEN
    CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    AS $body$ SELECT crm_api.claim('role') $body$;
    COMMENT ON FUNCTION auth.role() IS 'stands in for the host platform''s';
  END IF;
END $$;

-- The caller's organisation. Definer's rights, so that policies of profiles need not read profiles.
CREATE FUNCTION crm_api.org_id() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$ SELECT org_id FROM public.profiles WHERE id = auth.uid() $$;

-- The properties of the caller's organisation, by the caller's own right to read them.
CREATE FUNCTION crm_api.property_ids() RETURNS uuid[]
LANGUAGE sql STABLE
AS $$ SELECT coalesce(array_agg(id), '{}') FROM public.properties
      WHERE org_id = (SELECT crm_api.org_id()) $$;

-- The caller may switch to the roles of its callers, where it is allowed to give itself them.
DO $$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    GRANT anon, authenticated, service_role TO CURRENT_USER;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE WARNING 'role % cannot be granted anon, authenticated and service_role: grant them to it',
    current_user;
END $$;

GRANT USAGE ON SCHEMA public, auth, crm_api TO anon, authenticated, service_role;
GRANT USAGE ON SCHEMA crm, crm_state TO service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA crm, crm_state TO service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm, crm_state
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm GRANT USAGE ON SEQUENCES TO service_role;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA crm TO service_role;
REVOKE ALL ON crm_events FROM PUBLIC, anon, authenticated;
GRANT SELECT, INSERT, UPDATE ON crm_events TO service_role;
ALTER TABLE crm_events ENABLE ROW LEVEL SECURITY;

-- The host's tables: members read their organisation; what the host has granted besides stays.
-- Visitors see none of their rows, but the plan's policies look into two of them as the caller.
GRANT SELECT ON organizations, properties, profiles TO authenticated, service_role;
GRANT SELECT ON properties, profiles TO anon;
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE properties ENABLE ROW LEVEL SECURITY;
ALTER TABLE profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Members read their organization" ON organizations FOR SELECT TO authenticated
  USING (id = (SELECT crm_api.org_id()));
CREATE POLICY "Members read their org properties" ON properties FOR SELECT TO authenticated
  USING (org_id = (SELECT crm_api.org_id()));
CREATE POLICY "Members read their org profiles" ON profiles FOR SELECT TO authenticated
  USING (org_id = (SELECT crm_api.org_id()));

-- What the plan states.
CREATE POLICY "Service role full access to lumaleasing_config" ON lumaleasing_config
  FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to widget_sessions" ON widget_sessions
  FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to tours" ON tours
  FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to workflow_definitions" ON workflow_definitions
  FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to lead_workflows" ON lead_workflows
  FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to workflow_actions" ON workflow_actions
  FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to follow_up_templates" ON follow_up_templates
  FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to lead_engagement_events" ON lead_engagement_events
  FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to lead_scores" ON lead_scores
  FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to lead_activities" ON lead_activities
  FOR ALL USING (auth.role() = 'service_role');

CREATE POLICY "Users view their org lumaleasing config" ON lumaleasing_config FOR SELECT USING (
  EXISTS (SELECT 1 FROM profiles JOIN properties ON properties.id = lumaleasing_config.property_id
          WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id));
CREATE POLICY "Users view their org tours" ON tours FOR SELECT USING (
  EXISTS (SELECT 1 FROM profiles JOIN properties ON properties.id = tours.property_id
          WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id));
CREATE POLICY "Users manage their org tours" ON tours FOR ALL USING (
  EXISTS (SELECT 1 FROM profiles JOIN properties ON properties.id = tours.property_id
          WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id));
CREATE POLICY "Users view their org workflows" ON workflow_definitions FOR SELECT USING (
  EXISTS (SELECT 1 FROM profiles JOIN properties ON properties.id = workflow_definitions.property_id
          WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id));
CREATE POLICY "Users view their org lead scores" ON lead_scores FOR SELECT USING (
  EXISTS (SELECT 1 FROM profiles JOIN leads ON leads.id = lead_scores.lead_id
          JOIN properties ON properties.id = leads.property_id
          WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id));

-- What the plan left without a policy for people, and what a visitor of a widget may read.
DO $$
DECLARE tbl text;
BEGIN
  FOREACH tbl IN ARRAY ARRAY['leads', 'conversations', 'messages', 'widget_sessions',
    'lead_workflows', 'workflow_actions', 'follow_up_templates', 'lead_engagement_events',
    'lead_activities']
  LOOP
    EXECUTE format('CREATE POLICY %I ON %I FOR SELECT TO authenticated '
      'USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]))',
      'Members read their org ' || replace(tbl, '_', ' '), tbl);
  END LOOP;
END $$;
CREATE POLICY "Visitors read the widget of their property" ON lumaleasing_config FOR SELECT TO anon
  USING (property_id = (SELECT crm_api.claim_uuid('property_id')));
CREATE POLICY "Visitors read their own sessions" ON widget_sessions FOR SELECT TO anon
  USING (property_id = (SELECT crm_api.claim_uuid('property_id'))
    AND (visitor_id IS NULL OR visitor_id = (SELECT crm_api.claim('visitor_id'))));
CREATE POLICY "Visitors read their own conversations" ON conversations FOR SELECT TO anon
  USING (property_id = (SELECT crm_api.claim_uuid('property_id'))
    AND EXISTS (SELECT FROM widget_sessions s WHERE s.id = conversations.widget_session_id));
CREATE POLICY "Visitors read their own messages" ON messages FOR SELECT TO anon
  USING (property_id = (SELECT crm_api.claim_uuid('property_id'))
    AND EXISTS (SELECT FROM conversations c WHERE c.id = messages.conversation_id));
GRANT SELECT ON lumaleasing_config, widget_sessions, conversations, messages TO anon;

-- A table that people read and only the engine writes: `route` is what a direct writer is told.
CREATE PROCEDURE crm.guard_table(tbl regclass, route text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('CREATE POLICY "The claimed role is the real one" ON %s AS RESTRICTIVE FOR ALL '
    'TO anon, authenticated USING ((SELECT auth.role() = current_user::text))', tbl);
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

CALL crm.guard_table('leads', 'POST or PATCH /api/leads');
CALL crm.guard_table('conversations', 'POST /api/lumaleasing/chat');
CALL crm.guard_table('messages', 'POST /api/conversations/{id}/messages');
CALL crm.guard_table('widget_sessions', 'POST /api/lumaleasing/chat');
CALL crm.guard_table('tours', 'POST, PATCH or DELETE /api/leads/{id}/tours');
CALL crm.guard_table('lumaleasing_config', 'PUT /api/lumaleasing/admin/config');
CALL crm.guard_table('workflow_definitions', 'POST /api/workflows/definitions');
CALL crm.guard_table('follow_up_templates', 'POST /api/workflows/templates');
CALL crm.guard_table('lead_workflows', 'PATCH /api/leads/{id}/workflow');
CALL crm.guard_table('workflow_actions', 'POST /api/leads/{id}/send-message');
CALL crm.guard_table('lead_engagement_events', 'POST /api/leadpulse/events');
CALL crm.guard_table('lead_scores', 'POST /api/leadpulse/events: scores follow from facts');
CALL crm.guard_table('lead_activities', 'POST /api/leads/{id}/activities');

-- The lead's newest score row, by its caller's rights; scoring itself follows from the facts.
CREATE FUNCTION score_lead(p_lead_id uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE newest uuid;
BEGIN
  SELECT id INTO newest FROM public.lead_scores WHERE lead_id = p_lead_id
  ORDER BY revision DESC LIMIT 1;
  IF newest IS NULL THEN
    RAISE EXCEPTION 'Lead not found' USING ERRCODE = 'no_data_found';
  END IF;
  RETURN newest;
END $$;
