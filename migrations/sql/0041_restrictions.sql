-- Restricted leads are shown with a mark, and neither scored nor sent messages.
ALTER TABLE leads ADD COLUMN IF NOT EXISTS restricted_at timestamptz;
ALTER TABLE crm_state.lead_score_state ADD COLUMN is_restricted boolean NOT NULL DEFAULT false;
