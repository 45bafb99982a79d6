-- Merged leads: the loser points to the winner, whose score folds both, and who has their claims.
ALTER TABLE leads ADD COLUMN IF NOT EXISTS merged_into uuid;
CREATE INDEX idx_leads_merged_into ON leads (merged_into) WHERE merged_into IS NOT NULL;

ALTER TABLE crm_state.lead_score_state ADD COLUMN merged_into uuid;
ALTER TABLE crm_state.lead_score_state ADD COLUMN merged jsonb;
CREATE INDEX lead_score_state_merged_into ON crm_state.lead_score_state (merged_into)
  WHERE merged_into IS NOT NULL;

-- The leads a claim came through, the one whose own facts hold it first; empty: the owner's own.
ALTER TABLE crm.claims ADD COLUMN via uuid[] NOT NULL DEFAULT '{}';
CREATE INDEX claims_via ON crm.claims USING gin (via) WHERE via <> '{}';

-- The newest score of the lead that an id stands for, by its caller's rights.
CREATE OR REPLACE FUNCTION score_lead(p_lead_id uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE newest uuid;
BEGIN
  WITH RECURSIVE up AS (
    SELECT id, merged_into FROM public.leads WHERE id = p_lead_id
    UNION
    SELECT winner.id, winner.merged_into FROM public.leads winner
      JOIN up ON winner.id = up.merged_into
  )
  SELECT score.id INTO newest FROM public.lead_scores score JOIN up ON score.lead_id = up.id
  WHERE up.merged_into IS NULL ORDER BY score.revision DESC LIMIT 1;
  IF newest IS NULL THEN
    RAISE EXCEPTION 'Lead not found' USING ERRCODE = 'no_data_found';
  END IF;
  RETURN newest;
END $$;
