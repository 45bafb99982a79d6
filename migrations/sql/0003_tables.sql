-- The derived tables of the plan that the spine fills, with the columns clients read besides.
CREATE FUNCTION crm.refuse_direct_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is derived from events and is not written directly', TG_TABLE_NAME
    USING HINT = coalesce(TG_ARGV[0], 'Publish an event instead.'),
          ERRCODE = 'insufficient_privilege';
END $$;

ALTER TABLE leads ADD COLUMN IF NOT EXISTS last_contacted_at timestamptz;
ALTER TABLE leads ADD COLUMN IF NOT EXISTS updated_at timestamptz DEFAULT now();
ALTER TABLE leads ADD COLUMN IF NOT EXISTS org_id uuid;
ALTER TABLE leads ADD COLUMN IF NOT EXISTS move_in_date date;
ALTER TABLE leads ADD COLUMN IF NOT EXISTS bedrooms text;
ALTER TABLE leads ADD COLUMN IF NOT EXISTS notes text;
ALTER TABLE leads ADD COLUMN IF NOT EXISTS external_id text;

CREATE TABLE widget_sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  lead_id uuid REFERENCES leads(id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
  visitor_id text,
  user_agent text,
  referrer_url text,
  message_count int DEFAULT 0,
  converted_at timestamptz,
  last_activity_at timestamptz DEFAULT now(),
  created_at timestamptz DEFAULT now(),
  org_id uuid
);
CREATE INDEX idx_widget_sessions_property ON widget_sessions(property_id);
CREATE INDEX idx_widget_sessions_lead ON widget_sessions(lead_id);
CREATE INDEX idx_widget_sessions_visitor ON widget_sessions(visitor_id);

CREATE TABLE tours (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  tour_date date NOT NULL,
  tour_time time NOT NULL,
  tour_type text DEFAULT 'in_person',
  status text DEFAULT 'scheduled',
  notes text,
  assigned_agent_id uuid REFERENCES profiles(id) DEFERRABLE INITIALLY DEFERRED,
  created_by uuid REFERENCES profiles(id) DEFERRABLE INITIALLY DEFERRED,
  confirmation_sent_at timestamptz,
  reminder_24h_sent_at timestamptz,
  reminder_1h_sent_at timestamptz,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  org_id uuid,
  duration_minutes int DEFAULT 30,
  time_zone text,
  fold smallint DEFAULT 0,
  starts_at timestamptz,
  revision int DEFAULT 1
);
CREATE INDEX idx_tours_lead ON tours(lead_id);
CREATE INDEX idx_tours_property ON tours(property_id);
CREATE INDEX idx_tours_date ON tours(tour_date);
CREATE INDEX idx_tours_status ON tours(status);

ALTER TABLE conversations ADD COLUMN IF NOT EXISTS is_human_mode boolean DEFAULT false;
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS widget_session_id uuid
  REFERENCES widget_sessions(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS org_id uuid;
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS human_agent_id uuid;
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS human_started_at timestamptz;
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS human_ended_at timestamptz;
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS takeover_epoch int DEFAULT 0;
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS waiting_for_human boolean DEFAULT false;
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS message_count int DEFAULT 0;

ALTER TABLE messages ADD COLUMN IF NOT EXISTS org_id uuid;
ALTER TABLE messages ADD COLUMN IF NOT EXISTS property_id uuid;
ALTER TABLE messages ADD COLUMN IF NOT EXISTS author text;
ALTER TABLE messages ADD COLUMN IF NOT EXISTS human_agent_id uuid;

CREATE TABLE lead_engagement_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  event_type text NOT NULL,
  metadata jsonb DEFAULT '{}',
  score_weight int DEFAULT 0,
  created_at timestamptz DEFAULT now(),
  org_id uuid
);
CREATE INDEX idx_lead_engagement_events_lead ON lead_engagement_events(lead_id);
CREATE INDEX idx_lead_engagement_events_type ON lead_engagement_events(event_type);

CREATE TABLE lead_scores (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  total_score int DEFAULT 0,
  engagement_score int DEFAULT 0,
  timing_score int DEFAULT 0,
  source_score int DEFAULT 0,
  completeness_score int DEFAULT 0,
  behavior_score int DEFAULT 0,
  score_bucket text DEFAULT 'cold',
  factors jsonb DEFAULT '[]',
  model_version text DEFAULT 'v1.0',
  scored_at timestamptz DEFAULT now(),
  org_id uuid,
  property_id uuid,
  revision int
);
CREATE INDEX idx_lead_scores_lead ON lead_scores(lead_id);
CREATE INDEX idx_lead_scores_bucket ON lead_scores(score_bucket);

CREATE TABLE lead_activities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  type text NOT NULL,
  description text,
  metadata jsonb DEFAULT '{}',
  created_by uuid REFERENCES profiles(id) DEFERRABLE INITIALLY DEFERRED,
  created_at timestamptz DEFAULT now(),
  org_id uuid,
  property_id uuid
);
CREATE INDEX idx_lead_activities_lead ON lead_activities(lead_id);

CREATE TABLE crm_state.lead_score_state (
  lead_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  property_id uuid NOT NULL,
  facts jsonb NOT NULL,
  fold_time timestamptz NOT NULL,
  next_change_at timestamptz,
  revision int NOT NULL,
  result jsonb NOT NULL
);
CREATE INDEX lead_score_state_next_change ON crm_state.lead_score_state (next_change_at)
  WHERE next_change_at IS NOT NULL;

CREATE TABLE crm_state.widget_keys (
  property_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  key_id uuid,
  key_hash text,
  previous_key_id uuid,
  previous_key_hash text,
  previous_valid_until timestamptz,
  is_active boolean NOT NULL DEFAULT false,
  allowed_origins jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX widget_keys_hash ON crm_state.widget_keys (key_hash);
CREATE INDEX widget_keys_previous_hash ON crm_state.widget_keys (previous_key_hash);

-- The host's own foreign keys must let a batch write children and parents in any order.
DO $$
DECLARE fk record;
BEGIN
  FOR fk IN SELECT conrelid::regclass AS tbl, conname FROM pg_constraint
    WHERE contype = 'f' AND NOT condeferrable
      AND conrelid IN ('leads'::regclass, 'conversations'::regclass, 'messages'::regclass)
  LOOP
    EXECUTE format('ALTER TABLE %s ALTER CONSTRAINT %I DEFERRABLE INITIALLY DEFERRED',
                   fk.tbl, fk.conname);
  END LOOP;
END $$;

DO $$
DECLARE tbl regclass;
BEGIN
  FOREACH tbl IN ARRAY ARRAY['leads', 'conversations', 'messages', 'widget_sessions', 'tours',
    'lead_engagement_events', 'lead_scores', 'lead_activities',
    'crm_state.lead_score_state', 'crm_state.widget_keys']::regclass[]
  LOOP
    EXECUTE format(
      'CREATE TRIGGER crm_only_engine BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
      'FOR EACH STATEMENT WHEN (current_setting(''crm.engine'', true) IS DISTINCT FROM ''on'') '
      'EXECUTE FUNCTION crm.refuse_direct_write()', tbl);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER crm_only_engine', tbl);
  END LOOP;
END $$;
