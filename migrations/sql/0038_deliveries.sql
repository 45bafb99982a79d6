-- Every message, from the send intent to its final state, with the reason why it was not sent.
CREATE TABLE deliveries (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  org_id UUID,
  property_id UUID,
  lead_id UUID,
  channel TEXT NOT NULL,
  purpose TEXT NOT NULL,
  message_class TEXT,
  status TEXT NOT NULL,
  reason TEXT,
  detail TEXT,
  rule_values JSONB,
  recipient TEXT,
  subject TEXT,
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,
  useful_until TIMESTAMP WITH TIME ZONE,
  held_until TIMESTAMP WITH TIME ZONE,
  attempt INTEGER NOT NULL,
  provider TEXT,
  external_id TEXT,
  is_simulated BOOLEAN NOT NULL,
  run_id UUID,
  step_number INTEGER,
  tour_id UUID,
  tour_revision INTEGER,
  template_id UUID,
  template_version INTEGER,
  requested_by UUID,
  changed_by UUID,
  planned_at TIMESTAMP WITH TIME ZONE NOT NULL,
  handed_over_at TIMESTAMP WITH TIME ZONE,
  changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(property_id) REFERENCES properties (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY(lead_id) REFERENCES leads (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX idx_deliveries_lead ON deliveries (lead_id, planned_at);
CREATE INDEX idx_deliveries_property ON deliveries (property_id, planned_at);
CREATE INDEX idx_deliveries_status ON deliveries (status, due_at);
CREATE POLICY "Members read their org deliveries" ON deliveries FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));
CALL crm.guard_table('deliveries', 'POST /api/leads/{id}/send-message');
