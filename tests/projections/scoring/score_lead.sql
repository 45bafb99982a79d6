-- The plan's own `score_lead`, to hold v1.0 against. Changed in three places only: the clock is a
-- parameter and an event after it does not count, the result is answered instead of inserted, and
-- the factors, which it built by formatting JSON as text, are left out. Its session is in UTC.
CREATE SCHEMA plan;
CREATE FUNCTION plan.score_lead(p_lead_id uuid, p_now timestamptz)
RETURNS TABLE (total int, engagement int, timing int, source int, completeness int, behavior int,
  bucket text)
LANGUAGE plpgsql SET timezone = 'UTC'
AS $$
DECLARE
  v_lead RECORD;
  v_total_score int := 0;
  v_engagement_score int := 0;
  v_timing_score int := 0;
  v_source_score int := 0;
  v_completeness_score int := 0;
  v_behavior_score int := 0;
  v_bucket text := 'cold';
BEGIN
  -- Get lead info
  SELECT * INTO v_lead FROM public.leads WHERE id = p_lead_id;

  IF NOT FOUND THEN
    RAISE EXCEPTION 'Lead not found';
  END IF;

  -- Calculate completeness score (0-20)
  v_completeness_score := 0;
  IF v_lead.email IS NOT NULL AND v_lead.email != '' THEN
    v_completeness_score := v_completeness_score + 8;
  END IF;
  IF v_lead.phone IS NOT NULL AND v_lead.phone != '' THEN
    v_completeness_score := v_completeness_score + 6;
  END IF;
  IF v_lead.first_name IS NOT NULL AND v_lead.first_name != '' THEN
    v_completeness_score := v_completeness_score + 3;
  END IF;
  IF v_lead.last_name IS NOT NULL AND v_lead.last_name != '' THEN
    v_completeness_score := v_completeness_score + 3;
  END IF;

  -- Calculate source score (0-15)
  v_source_score := CASE
    WHEN v_lead.source ILIKE '%referral%' THEN 15
    WHEN v_lead.source ILIKE '%google%' THEN 12
    WHEN v_lead.source ILIKE '%luma%' THEN 10
    WHEN v_lead.source ILIKE '%facebook%' OR v_lead.source ILIKE '%meta%' THEN 8
    WHEN v_lead.source ILIKE '%website%' THEN 8
    ELSE 5
  END;

  -- Calculate engagement score from events (0-40)
  SELECT COALESCE(SUM(score_weight), 0) INTO v_engagement_score
  FROM public.lead_engagement_events
  WHERE lead_id = p_lead_id
  AND created_at > p_now - interval '30 days' AND created_at <= p_now;
  v_engagement_score := LEAST(v_engagement_score, 40); -- Cap at 40

  -- Calculate timing score (0-15)
  v_timing_score := CASE
    WHEN v_lead.created_at > p_now - interval '24 hours' THEN 15
    WHEN v_lead.created_at > p_now - interval '3 days' THEN 12
    WHEN v_lead.created_at > p_now - interval '7 days' THEN 8
    WHEN v_lead.created_at > p_now - interval '14 days' THEN 5
    ELSE 2
  END;

  -- Calculate behavior score from tours (0-10)
  SELECT
    CASE
      WHEN EXISTS(SELECT 1 FROM public.tours t WHERE lead_id = p_lead_id AND status = 'completed') THEN 10
      WHEN EXISTS(SELECT 1 FROM public.tours t WHERE lead_id = p_lead_id AND status IN ('scheduled', 'confirmed')) THEN 8
      WHEN EXISTS(SELECT 1 FROM public.tours t WHERE lead_id = p_lead_id AND status = 'no_show') THEN -5
      ELSE 0
    END INTO v_behavior_score;

  -- Calculate total score
  v_total_score := v_completeness_score + v_source_score + v_engagement_score + v_timing_score + v_behavior_score;
  v_total_score := GREATEST(0, LEAST(100, v_total_score)); -- Clamp 0-100

  -- Determine bucket
  v_bucket := CASE
    WHEN v_total_score >= 70 THEN 'hot'
    WHEN v_total_score >= 45 THEN 'warm'
    WHEN v_total_score >= 20 THEN 'cold'
    ELSE 'unqualified'
  END;

  RETURN QUERY SELECT v_total_score, v_engagement_score, v_timing_score, v_source_score,
    v_completeness_score, v_behavior_score, v_bucket;
END;
$$;
