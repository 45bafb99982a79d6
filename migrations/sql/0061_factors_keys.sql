-- The key by which insights count the leads with equal factors, as the projector computes it.
ALTER TABLE crm_state.lead_score_state ADD COLUMN factors_key bigint;
ALTER TABLE crm_state.lead_score_state DISABLE TRIGGER crm_only_engine;
UPDATE crm_state.lead_score_state SET factors_key = ('x' || left(md5((
    SELECT coalesce(string_agg((item ->> 'type') || ' '
      || regexp_replace(item ->> 'factor', ' \(\d+ events\)\Z', '') || E'\n', '' ORDER BY number), '')
    FROM jsonb_array_elements(result -> 7) WITH ORDINALITY AS _ (item, number)
    WHERE item ->> 'factor' <> 'Limit')), 16))::bit(64)::bigint
WHERE total_score IS NOT NULL;
ALTER TABLE crm_state.lead_score_state ENABLE ALWAYS TRIGGER crm_only_engine;
DROP INDEX crm_state.lead_score_state_standing;
CREATE INDEX lead_score_state_standing
  ON crm_state.lead_score_state (property_id, total_score, lead_id, scored_at)
  INCLUDE (factors_key);
