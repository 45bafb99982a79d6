-- The rest of the plan's ten tables, with the columns clients read that the plan left out.
DO $$
BEGIN
  IF to_regprocedure('gen_random_bytes(integer)') IS NULL THEN
    CREATE FUNCTION public.gen_random_bytes(count integer) RETURNS bytea
    LANGUAGE sql VOLATILE STRICT PARALLEL SAFE AS $body$
      SELECT substr(string_agg(
        sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), ''::bytea), 1, count)
      FROM generate_series(0, (count - 1) / 32)
    $body$;
    COMMENT ON FUNCTION public.gen_random_bytes(integer) IS 'stands in for pgcrypto''s';
  END IF;
END $$;

ALTER TABLE tours ADD COLUMN follow_up_sent_at timestamptz;

CREATE TABLE lumaleasing_config (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  property_id uuid UNIQUE
    REFERENCES properties(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
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
  updated_at timestamptz DEFAULT now(),
  org_id uuid,
  allowed_origins jsonb DEFAULT '[]',
  secondary_color text,
  logo_url text,
  offline_message text,
  auto_popup_delay_seconds int DEFAULT 0,
  require_email_before_chat boolean DEFAULT false,
  collect_name boolean DEFAULT true,
  business_hours jsonb,
  holidays jsonb DEFAULT '[]',
  time_zone text,
  tour_hours jsonb,
  tour_buffer_minutes int DEFAULT 0,
  tour_capacity int DEFAULT 1,
  tour_blackout_dates jsonb DEFAULT '[]'
);
CREATE INDEX idx_lumaleasing_config_property ON lumaleasing_config(property_id);
CREATE INDEX idx_lumaleasing_config_api_key ON lumaleasing_config(api_key);

CREATE TABLE workflow_definitions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  name text NOT NULL,
  description text,
  trigger_on text NOT NULL,
  steps jsonb NOT NULL DEFAULT '[]',
  exit_conditions text[] DEFAULT ARRAY['leased', 'lost'],
  is_active boolean DEFAULT true,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  org_id uuid,
  version int DEFAULT 1,
  seeded boolean DEFAULT false
);
CREATE INDEX idx_workflow_definitions_property ON workflow_definitions(property_id);
CREATE INDEX idx_workflow_definitions_trigger ON workflow_definitions(trigger_on);

CREATE TABLE lead_workflows (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  workflow_id uuid
    REFERENCES workflow_definitions(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  current_step int DEFAULT 0,
  status text DEFAULT 'active',
  last_action_at timestamptz,
  next_action_at timestamptz,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  org_id uuid,
  property_id uuid,
  definition_version int,
  trigger text,
  reentry_key text,
  remaining_seconds int,
  stop_reason text
);
CREATE INDEX idx_lead_workflows_lead ON lead_workflows(lead_id);
CREATE INDEX idx_lead_workflows_status ON lead_workflows(status);
CREATE INDEX idx_lead_workflows_next_action ON lead_workflows(next_action_at)
  WHERE status = 'active';

CREATE TABLE workflow_actions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lead_workflow_id uuid
    REFERENCES lead_workflows(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  step_number int NOT NULL,
  action_type text NOT NULL,
  template_id uuid,
  status text DEFAULT 'pending',
  external_id text,
  error_message text,
  executed_at timestamptz DEFAULT now(),
  org_id uuid,
  property_id uuid,
  lead_id uuid,
  step_id text,
  delivery_id uuid
);
CREATE INDEX idx_workflow_actions_workflow ON workflow_actions(lead_workflow_id);

CREATE TABLE follow_up_templates (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  slug text NOT NULL,
  name text NOT NULL,
  channel text NOT NULL,
  subject text,
  body text NOT NULL,
  is_active boolean DEFAULT true,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  org_id uuid,
  version int DEFAULT 1,
  seeded boolean DEFAULT false,
  UNIQUE (property_id, slug)
);
CREATE INDEX idx_follow_up_templates_property ON follow_up_templates(property_id);
