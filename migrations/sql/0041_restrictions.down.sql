ALTER TABLE crm_state.lead_score_state DROP COLUMN is_restricted;
ALTER TABLE leads DROP COLUMN restricted_at;
