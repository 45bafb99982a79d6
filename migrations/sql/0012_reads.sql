-- What the console's lists and insights read, found by index also through row level security.
CREATE INDEX idx_leads_property_created ON leads (property_id, created_at, id)
  WHERE merged_into IS NULL;
CREATE INDEX idx_leads_property_standing ON leads (property_id, status, source)
  WHERE merged_into IS NULL;
CREATE INDEX idx_lead_scores_property ON lead_scores (property_id, scored_at);

-- The current score beside the facts it is made of; lead_scores.3 asks for a rebuild, which fills it.
ALTER TABLE crm_state.lead_score_state ADD COLUMN total_score int;
ALTER TABLE crm_state.lead_score_state ADD COLUMN scored_at timestamptz;
CREATE INDEX lead_score_state_standing
  ON crm_state.lead_score_state (property_id, total_score, lead_id, scored_at);

-- The only table of this schema that people read: facts and current scores of their own leads.
CALL crm.guard_table('crm_state.lead_score_state',
  'POST /api/leadpulse/events: scores follow from facts');
GRANT USAGE ON SCHEMA crm_state TO authenticated;
CREATE POLICY "Members read the standing of their leads" ON crm_state.lead_score_state
  FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));

-- The plan's policy joins for every row; this one lets the same rows pass at once. PostgreSQL asks
-- policies in the reverse order of their names.
CREATE POLICY "Whoever is a member reads their org lead scores" ON lead_scores
  FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));
