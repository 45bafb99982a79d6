-- The columns get the names that the code uses: projection groups, scoring inputs.
ALTER TABLE crm.checkpoints RENAME COLUMN unit TO projection_group;
ALTER TABLE crm.parked RENAME COLUMN unit TO projection_group;

-- The state of lead_scores is also found in the schema of the tables before the last swap (needed
-- for a rollback) and in that of a rebuild that is not finished. All copies are renamed, so nothing
-- has to be rebuilt.
DO $$
DECLARE
  copy record;
BEGIN
  FOR copy IN SELECT n.nspname FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'lead_score_state' AND c.relkind = 'r' AND a.attname = 'facts'
  LOOP
    EXECUTE format('ALTER TABLE %I.lead_score_state RENAME COLUMN facts TO inputs', copy.nspname);
  END LOOP;
END $$;

-- The body of a function is stored as text, so a renamed column does not reach it.
CREATE OR REPLACE FUNCTION crm.keep_ahead() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  current_row constant jsonb := to_jsonb(OLD);
  entity constant uuid := current_row ->> TG_ARGV[0];
  ahead jsonb;
BEGIN
  SELECT jsonb_object_agg(field.key, current_row -> field.key) INTO ahead
  FROM public.crm_events e
  LEFT JOIN crm.checkpoints c ON c.projection_group = 'live' AND c.shard = e.shard
  CROSS JOIN LATERAL jsonb_object_keys(e.payload) AS field (key)
  WHERE e.actor = 'host' AND e.entity_id = entity
    AND (e.position IS NULL OR e.position > coalesce(c.position, 0))
    AND (e.payload ->> 'message_id') IS NOT DISTINCT FROM
      CASE WHEN TG_TABLE_NAME = 'messages' THEN OLD.id::text END
    AND current_row ? field.key;
  IF ahead IS NOT NULL THEN
    NEW := jsonb_populate_record(NEW, ahead);
  END IF;
  RETURN NEW;
END $$;
