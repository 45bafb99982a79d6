DROP FUNCTION crm.append_plain;
-- Append events that change nothing but the log, in one statement: lock, compare, insert. It returns
-- the log generation. It writes no event and returns null if anything is not as the caller expects
-- (keys of new subjects may be stored then; the next append uses them): staged changes come first, a stream has another version, an event is a duplicate, a subject is
-- erased or its key is another one, a message is a row of the host. The caller then does the same in
-- a transaction, which says what it is.
CREATE FUNCTION crm.append_plain(
  lock_kinds text[], lock_ids uuid[], lock_shared boolean[], properties uuid[],
  stream_kinds text[], stream_ids uuid[], stream_versions int[],
  subjects uuid[], used_keys uuid[], messages uuid[],
  new_subjects uuid[], new_keys uuid[], new_wrapped bytea[], new_master_keys text[],
  ids uuid[], entity_types text[], entity_ids uuid[], versions int[], shards smallint[],
  event_types text[], schema_versions smallint[], org_ids uuid[], property_ids uuid[],
  lead_ids uuid[], times timestamptz[], payloads jsonb[], digests bytea[], actors text[],
  origins text[], correlation_ids uuid[], causation_ids uuid[]
) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  stored_keys bigint;
BEGIN
  IF NOT crm.lock_for_append(lock_kinds, lock_ids, lock_shared, properties) THEN
    RETURN NULL;
  END IF;
  -- Each statement has a snapshot of its own: this one sees what the earlier holders of the locks
  -- committed.
  IF EXISTS (SELECT FROM public.crm_events e WHERE e.id = ANY (ids))
    OR EXISTS (SELECT FROM crm.erased_subjects e WHERE e.subject_id = ANY (subjects))
    OR EXISTS (SELECT FROM public.messages m WHERE m.id = ANY (messages) AND m.org_id IS NULL)
    OR EXISTS (SELECT FROM unnest(used_keys) AS used (id) WHERE NOT EXISTS (
      SELECT FROM crm_keys.data_keys k WHERE k.key_id = used.id AND k.wrapped IS NOT NULL))
    OR EXISTS (SELECT FROM unnest(stream_kinds, stream_ids, stream_versions)
      AS expected (kind, id, version) WHERE expected.version <> coalesce((
        SELECT e.version FROM public.crm_events e
        WHERE e.entity_type = expected.kind AND e.entity_id = expected.id
        ORDER BY e.version DESC LIMIT 1), 0))
  THEN
    RETURN NULL;
  END IF;
  IF cardinality(new_subjects) > 0 THEN
    INSERT INTO crm_keys.data_keys (subject_id, key_id, wrapped, master_key)
    SELECT * FROM unnest(new_subjects, new_keys, new_wrapped, new_master_keys)
    ON CONFLICT (subject_id) DO NOTHING;
    GET DIAGNOSTICS stored_keys = ROW_COUNT;
    IF stored_keys < cardinality(new_subjects) THEN
      RETURN NULL;
    END IF;
  END IF;
  INSERT INTO public.crm_events (id, entity_type, entity_id, version, shard, event_type,
    schema_version, org_id, property_id, lead_id, occurred_at, payload, digest, actor, origin,
    correlation_id, causation_id)
  SELECT * FROM unnest(ids, entity_types, entity_ids, versions, shards, event_types,
    schema_versions, org_ids, property_ids, lead_ids, times, payloads, digests, actors, origins,
    correlation_ids, causation_ids);
  RETURN (SELECT generation FROM crm.log);
END $$;
ALTER FUNCTION crm.append_plain SET plan_cache_mode TO force_generic_plan;
ALTER FUNCTION crm.append_plain SET enable_seqscan TO off;
ALTER FUNCTION crm.append_plain SET jit TO off;
REVOKE EXECUTE ON FUNCTION crm.append_plain FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.append_plain TO service_role;
