-- The trace of an event: 16 bytes of a W3C trace id. If the trace is recorded, 8 bytes of the span
-- follow that appended the event. It is no part of the payload and not of the digest. Rows that SQL
-- writes, and older ones, have none. A check would read the whole log while it is locked.
ALTER TABLE public.crm_events ADD COLUMN trace_context bytea;

DROP TRIGGER crm_events_numbered_once ON public.crm_events;
CREATE TRIGGER crm_events_numbered_once BEFORE UPDATE ON public.crm_events
  FOR EACH ROW WHEN (
    OLD.position IS NOT NULL OR NEW.position IS NULL
    OR (OLD.id, OLD.seq, OLD.entity_type, OLD.entity_id, OLD.version, OLD.shard, OLD.event_type,
        OLD.schema_version, OLD.org_id, OLD.property_id, OLD.lead_id, OLD.occurred_at,
        OLD.recorded_at, OLD.payload, OLD.digest, OLD.actor, OLD.origin, OLD.correlation_id,
        OLD.causation_id, OLD.trace_context)
      IS DISTINCT FROM
       (NEW.id, NEW.seq, NEW.entity_type, NEW.entity_id, NEW.version, NEW.shard, NEW.event_type,
        NEW.schema_version, NEW.org_id, NEW.property_id, NEW.lead_id, NEW.occurred_at,
        NEW.recorded_at, NEW.payload, NEW.digest, NEW.actor, NEW.origin, NEW.correlation_id,
        NEW.causation_id, NEW.trace_context)
  ) EXECUTE FUNCTION crm.refuse_change();
ALTER TABLE public.crm_events ENABLE ALWAYS TRIGGER crm_events_numbered_once;

CREATE OR REPLACE VIEW crm_api.key_events WITH (security_barrier) AS
SELECT id, event_type, schema_version, payload, entity_type, entity_id, version, shard, position,
  previous, org_id, property_id, lead_id, occurred_at, recorded_at, actor, origin, correlation_id,
  causation_id, trace_context
FROM public.crm_events
WHERE position IS NOT NULL
  AND (SELECT auth.role() = current_user::text)
  AND org_id = (SELECT crm_api.claim_uuid('api_key_org_id'))
  AND ((SELECT crm_api.claim('api_key_property_ids') = 'all')
    OR property_id = ANY ((SELECT crm_api.key_property_ids())::uuid[]));

-- As before, with one more column.
CREATE OR REPLACE FUNCTION crm.append_plain(
  kinds text[], ids uuid[], shared boolean[], versions int[], newest uuid[], properties uuid[],
  event_ids uuid[], subjects uuid[], used_keys uuid[], messages uuid[], new_keys jsonb, events jsonb
) RETURNS int LANGUAGE plpgsql
SET plan_cache_mode TO force_generic_plan SET enable_seqscan TO off SET jit TO off AS $$
DECLARE
  stored_keys bigint;
BEGIN
  IF NOT crm.lock_for_append(kinds, ids, shared, properties) THEN
    RETURN NULL;
  END IF;
  -- Each statement has a snapshot of its own: this one sees what the earlier holders of the locks
  -- committed.
  IF EXISTS (SELECT FROM public.crm_events e WHERE e.id = ANY (event_ids))
    OR EXISTS (SELECT FROM crm.erased_subjects e WHERE e.subject_id = ANY (subjects))
    OR EXISTS (SELECT FROM public.messages m WHERE m.id = ANY (messages) AND m.org_id IS NULL)
    OR EXISTS (SELECT FROM unnest(used_keys) AS used (id) WHERE NOT EXISTS (
      SELECT FROM crm_keys.data_keys k WHERE k.key_id = used.id AND k.wrapped IS NOT NULL))
    OR EXISTS (SELECT FROM unnest(kinds, ids, versions, newest)
        AS expected (kind, id, version, newest)
      LEFT JOIN LATERAL (SELECT e.version, e.id FROM public.crm_events e
        WHERE e.entity_type = expected.kind AND e.entity_id = expected.id
        ORDER BY e.version DESC LIMIT 1) AS head ON true
      WHERE expected.version <> coalesce(head.version, 0) OR expected.newest <> head.id)
  THEN
    RETURN NULL;
  END IF;
  IF new_keys IS NOT NULL THEN
    INSERT INTO crm_keys.data_keys (subject_id, key_id, wrapped, master_key)
    SELECT * FROM jsonb_to_recordset(new_keys)
      AS new (subject_id uuid, key_id uuid, wrapped bytea, master_key text)
    ON CONFLICT (subject_id) DO NOTHING;
    GET DIAGNOSTICS stored_keys = ROW_COUNT;
    IF stored_keys < jsonb_array_length(new_keys) THEN
      RETURN NULL;
    END IF;
  END IF;
  INSERT INTO public.crm_events (id, entity_type, entity_id, version, shard, event_type,
    schema_version, org_id, property_id, lead_id, occurred_at, payload, digest, actor, origin,
    correlation_id, causation_id, trace_context)
  SELECT * FROM jsonb_to_recordset(events) AS new (id uuid, entity_type text, entity_id uuid,
    version int, shard smallint, event_type text, schema_version smallint, org_id uuid,
    property_id uuid, lead_id uuid, occurred_at timestamptz, payload jsonb, digest bytea, actor text,
    origin text, correlation_id uuid, causation_id uuid, trace_context bytea);
  RETURN (SELECT generation FROM crm.log);
END $$;
