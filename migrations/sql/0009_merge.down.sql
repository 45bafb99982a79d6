CREATE OR REPLACE FUNCTION score_lead(p_lead_id uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE newest uuid;
BEGIN
  SELECT id INTO newest FROM public.lead_scores WHERE lead_id = p_lead_id
  ORDER BY revision DESC LIMIT 1;
  IF newest IS NULL THEN
    RAISE EXCEPTION 'Lead not found' USING ERRCODE = 'no_data_found';
  END IF;
  RETURN newest;
END $$;
DROP INDEX crm.claims_via;
ALTER TABLE crm.claims DROP COLUMN via;
DROP INDEX crm_state.lead_score_state_merged_into;
ALTER TABLE crm_state.lead_score_state DROP COLUMN merged;
ALTER TABLE crm_state.lead_score_state DROP COLUMN merged_into;
DROP INDEX idx_leads_merged_into;
ALTER TABLE leads DROP COLUMN merged_into;
