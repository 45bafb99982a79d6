-- What leads agreed to receive, with the evidence: one row for each time it was said.
CREATE TABLE lead_consents (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid,
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  lead_id uuid REFERENCES leads(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  channel text NOT NULL,
  status text NOT NULL,
  version int NOT NULL,
  text text,
  place text,
  keyword text,
  recorded_by uuid,
  said_at timestamptz NOT NULL,
  created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_lead_consents_lead ON lead_consents(lead_id, channel, version);
CREATE INDEX idx_lead_consents_created ON lead_consents(created_at);
CREATE POLICY "Members read their org lead consents" ON lead_consents FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));
CALL crm.guard_table('lead_consents', 'the CloudEvents consent.given and consent.withdrawn');
