-- Tasks of agents, and what the steps of workflows need.
ALTER TABLE workflow_definitions
  ADD COLUMN exit_events text[] DEFAULT '{}',
  ADD COLUMN reentry text,
  ADD COLUMN min_interval_hours double precision,
  ADD COLUMN max_age_hours double precision;
ALTER TABLE lead_workflows
  ADD COLUMN stop_code text,
  ADD COLUMN waits_for text,
  ADD COLUMN tour_id uuid,
  ADD COLUMN enrolled_by uuid;
ALTER TABLE workflow_actions
  ADD COLUMN choice text,
  ADD COLUMN task_id uuid;

ALTER TABLE crm.timers DROP CONSTRAINT timers_kind_check;
ALTER TABLE crm.timers ADD CONSTRAINT timers_kind_check
  CHECK (kind IN ('run', 'tour', 'delivery', 'task'));

-- Tables of the projection lead_tasks, derived from the events of tasks.
CREATE TABLE lead_tasks (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  org_id UUID,
  property_id UUID,
  lead_id UUID,
  title TEXT NOT NULL,
  notes TEXT,
  status TEXT DEFAULT 'open' NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE,
  assigned_agent_id UUID,
  run_id UUID,
  step_number INTEGER,
  result TEXT,
  created_by UUID,
  done_by UUID,
  done_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
  PRIMARY KEY (id),
  FOREIGN KEY(property_id) REFERENCES properties (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY(lead_id) REFERENCES leads (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY(assigned_agent_id) REFERENCES profiles (id) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY(created_by) REFERENCES profiles (id) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY(done_by) REFERENCES profiles (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX idx_lead_tasks_lead ON lead_tasks (lead_id);
CREATE INDEX idx_lead_tasks_open ON lead_tasks (property_id, status, due_at);
CREATE POLICY "Members read their org lead tasks" ON lead_tasks FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));
CALL crm.guard_table('lead_tasks', 'POST /api/leads/{id}/tasks');
