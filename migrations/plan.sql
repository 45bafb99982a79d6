-- What the plan says the schema is, as statements: `crm db check` makes it in a schema of its own,
-- compares it with the real one, and rolls back. Not a migration.
CREATE TABLE organizations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL
);
CREATE TABLE properties (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid REFERENCES organizations(id) ON DELETE CASCADE
);
CREATE TABLE profiles (
  id uuid PRIMARY KEY,
  org_id uuid REFERENCES organizations(id) ON DELETE CASCADE,
  role text
);
CREATE TABLE leads (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE,
  source text,
  first_name text,
  last_name text,
  email text,
  phone text,
  status text DEFAULT 'new',
  created_at timestamptz DEFAULT now()
);
CREATE TABLE conversations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE,
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE,
  channel text DEFAULT 'widget',
  created_at timestamptz DEFAULT now()
);
CREATE TABLE messages (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  conversation_id uuid REFERENCES conversations(id) ON DELETE CASCADE,
  role text NOT NULL,
  content text,
  created_at timestamptz DEFAULT now()
);

CREATE TABLE lumaleasing_config (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE UNIQUE,
  api_key text NOT NULL UNIQUE DEFAULT encode(gen_random_bytes(32), 'hex'),
  widget_name text DEFAULT 'Luma',
  is_active boolean DEFAULT true,
  collect_email boolean DEFAULT true,
  collect_phone boolean DEFAULT false,
  lead_capture_prompt text,
  tours_enabled boolean DEFAULT true,
  tour_duration_minutes int DEFAULT 30,
  auto_reply_enabled boolean DEFAULT true,
  brand_color text DEFAULT '#3B82F6',
  greeting_message text,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE widget_sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE,
  lead_id uuid REFERENCES leads(id) ON DELETE SET NULL,
  visitor_id text,
  user_agent text,
  referrer_url text,
  message_count int DEFAULT 0,
  converted_at timestamptz,
  last_activity_at timestamptz DEFAULT now(),
  created_at timestamptz DEFAULT now()
);

CREATE TABLE tours (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE,
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE,
  tour_date date NOT NULL,
  tour_time time NOT NULL,
  tour_type text DEFAULT 'in_person',
  status text DEFAULT 'scheduled',
  notes text,
  assigned_agent_id uuid REFERENCES profiles(id),
  created_by uuid REFERENCES profiles(id),
  confirmation_sent_at timestamptz,
  reminder_24h_sent_at timestamptz,
  reminder_1h_sent_at timestamptz,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE workflow_definitions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE,
  name text NOT NULL,
  description text,
  trigger_on text NOT NULL,
  steps jsonb NOT NULL DEFAULT '[]',
  exit_conditions text[] DEFAULT ARRAY['leased', 'lost'],
  is_active boolean DEFAULT true,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE lead_workflows (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE,
  workflow_id uuid REFERENCES workflow_definitions(id) ON DELETE CASCADE,
  current_step int DEFAULT 0,
  status text DEFAULT 'active',
  last_action_at timestamptz,
  next_action_at timestamptz,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE workflow_actions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_workflow_id uuid REFERENCES lead_workflows(id) ON DELETE CASCADE,
  step_number int NOT NULL,
  action_type text NOT NULL,
  template_id uuid,
  status text DEFAULT 'pending',
  external_id text,
  error_message text,
  executed_at timestamptz DEFAULT now()
);

CREATE TABLE follow_up_templates (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE,
  slug text NOT NULL,
  name text NOT NULL,
  channel text NOT NULL,
  subject text,
  body text NOT NULL,
  is_active boolean DEFAULT true,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  UNIQUE(property_id, slug)
);

CREATE TABLE lead_engagement_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE,
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE,
  event_type text NOT NULL,
  metadata jsonb DEFAULT '{}',
  score_weight int DEFAULT 0,
  created_at timestamptz DEFAULT now()
);

CREATE TABLE lead_scores (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE,
  total_score int DEFAULT 0,
  engagement_score int DEFAULT 0,
  timing_score int DEFAULT 0,
  source_score int DEFAULT 0,
  completeness_score int DEFAULT 0,
  behavior_score int DEFAULT 0,
  score_bucket text DEFAULT 'cold',
  factors jsonb DEFAULT '[]',
  model_version text DEFAULT 'v1.0',
  scored_at timestamptz DEFAULT now()
);

CREATE TABLE lead_activities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE,
  type text NOT NULL,
  description text,
  metadata jsonb DEFAULT '{}',
  created_by uuid REFERENCES profiles(id),
  created_at timestamptz DEFAULT now()
);

ALTER TABLE leads ADD COLUMN last_contacted_at timestamptz;
ALTER TABLE leads ADD COLUMN updated_at timestamptz DEFAULT now();

ALTER TABLE conversations ADD COLUMN is_human_mode boolean DEFAULT false;
ALTER TABLE conversations ADD COLUMN widget_session_id uuid REFERENCES widget_sessions(id);

CREATE INDEX idx_lumaleasing_config_property ON lumaleasing_config(property_id);
CREATE INDEX idx_lumaleasing_config_api_key ON lumaleasing_config(api_key);
CREATE INDEX idx_widget_sessions_property ON widget_sessions(property_id);
CREATE INDEX idx_widget_sessions_lead ON widget_sessions(lead_id);
CREATE INDEX idx_widget_sessions_visitor ON widget_sessions(visitor_id);
CREATE INDEX idx_tours_lead ON tours(lead_id);
CREATE INDEX idx_tours_property ON tours(property_id);
CREATE INDEX idx_tours_date ON tours(tour_date);
CREATE INDEX idx_tours_status ON tours(status);
CREATE INDEX idx_workflow_definitions_property ON workflow_definitions(property_id);
CREATE INDEX idx_workflow_definitions_trigger ON workflow_definitions(trigger_on);
CREATE INDEX idx_lead_workflows_lead ON lead_workflows(lead_id);
CREATE INDEX idx_lead_workflows_status ON lead_workflows(status);
CREATE INDEX idx_lead_workflows_next_action ON lead_workflows(next_action_at) WHERE status = 'active';
CREATE INDEX idx_workflow_actions_workflow ON workflow_actions(lead_workflow_id);
CREATE INDEX idx_follow_up_templates_property ON follow_up_templates(property_id);
CREATE INDEX idx_lead_engagement_events_lead ON lead_engagement_events(lead_id);
CREATE INDEX idx_lead_engagement_events_type ON lead_engagement_events(event_type);
CREATE INDEX idx_lead_scores_lead ON lead_scores(lead_id);
CREATE INDEX idx_lead_scores_bucket ON lead_scores(score_bucket);
CREATE INDEX idx_lead_activities_lead ON lead_activities(lead_id);

ALTER TABLE lumaleasing_config ENABLE ROW LEVEL SECURITY;
ALTER TABLE widget_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE tours ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow_definitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE lead_workflows ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow_actions ENABLE ROW LEVEL SECURITY;
ALTER TABLE follow_up_templates ENABLE ROW LEVEL SECURITY;
ALTER TABLE lead_engagement_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE lead_scores ENABLE ROW LEVEL SECURITY;
ALTER TABLE lead_activities ENABLE ROW LEVEL SECURITY;

CREATE POLICY "Service role full access to lumaleasing_config" ON lumaleasing_config FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to widget_sessions" ON widget_sessions FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to tours" ON tours FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to workflow_definitions" ON workflow_definitions FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to lead_workflows" ON lead_workflows FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to workflow_actions" ON workflow_actions FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to follow_up_templates" ON follow_up_templates FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to lead_engagement_events" ON lead_engagement_events FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to lead_scores" ON lead_scores FOR ALL USING (auth.role() = 'service_role');
CREATE POLICY "Service role full access to lead_activities" ON lead_activities FOR ALL USING (auth.role() = 'service_role');

CREATE POLICY "Users view their org lumaleasing config" ON lumaleasing_config FOR SELECT USING (
  EXISTS (
    SELECT 1 FROM profiles
    JOIN properties ON properties.id = lumaleasing_config.property_id
    WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id
  )
);

CREATE POLICY "Users view their org tours" ON tours FOR SELECT USING (
  EXISTS (
    SELECT 1 FROM profiles
    JOIN properties ON properties.id = tours.property_id
    WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id
  )
);

CREATE POLICY "Users manage their org tours" ON tours FOR ALL USING (
  EXISTS (
    SELECT 1 FROM profiles
    JOIN properties ON properties.id = tours.property_id
    WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id
  )
);

CREATE POLICY "Users view their org workflows" ON workflow_definitions FOR SELECT USING (
  EXISTS (
    SELECT 1 FROM profiles
    JOIN properties ON properties.id = workflow_definitions.property_id
    WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id
  )
);

CREATE POLICY "Users view their org lead scores" ON lead_scores FOR SELECT USING (
  EXISTS (
    SELECT 1 FROM profiles
    JOIN leads ON leads.id = lead_scores.lead_id
    JOIN properties ON properties.id = leads.property_id
    WHERE profiles.id = auth.uid() AND profiles.org_id = properties.org_id
  )
);

CREATE FUNCTION score_lead(p_lead_id uuid) RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid';
