-- Append events that change nothing but the log, in one statement: lock, compare, insert. It returns
-- the log generation. It writes no event and returns null if anything is not as the caller expects
-- (keys of new subjects may be stored then; the next append uses them): staged changes come first, a
-- stream has another version or another newest event, an event is a duplicate, a subject is erased or
-- its key is another one, a message is a row of the host. The caller then does the same in a
-- transaction, which says what it is.
--
-- A lock of null `versions` is not compared; nor is a null `newest`. New keys and events are JSON: an
-- array for each of their columns took three times as long to send.
DROP FUNCTION crm.append_plain;
CREATE FUNCTION crm.append_plain(
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
    correlation_id, causation_id)
  SELECT * FROM jsonb_to_recordset(events) AS new (id uuid, entity_type text, entity_id uuid,
    version int, shard smallint, event_type text, schema_version smallint, org_id uuid,
    property_id uuid, lead_id uuid, occurred_at timestamptz, payload jsonb, digest bytea, actor text,
    origin text, correlation_id uuid, causation_id uuid);
  RETURN (SELECT generation FROM crm.log);
END $$;
REVOKE EXECUTE ON FUNCTION crm.append_plain FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.append_plain TO service_role;
