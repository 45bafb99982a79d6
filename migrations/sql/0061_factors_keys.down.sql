DROP INDEX crm_state.lead_score_state_standing;
ALTER TABLE crm_state.lead_score_state DROP COLUMN factors_key;
CREATE INDEX lead_score_state_standing
  ON crm_state.lead_score_state (property_id, total_score, lead_id, scored_at);
