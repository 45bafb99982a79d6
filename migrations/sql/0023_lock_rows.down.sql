CREATE FUNCTION crm.lock_of(entity_type text, entity_id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN hashtextextended(entity_type || ':' || entity_id::text, 0);

CREATE OR REPLACE FUNCTION crm.lock_for_host(stream text, entity uuid, property uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  held constant int := coalesce(nullif(current_setting('crm.host_streams', true), ''), '0')::int;
BEGIN
  IF held >= 200 THEN
    PERFORM pg_advisory_xact_lock(crm.lock_of('order', property));
  ELSE
    PERFORM pg_advisory_xact_lock_shared(crm.lock_of('order', property));
    PERFORM pg_advisory_xact_lock(crm.lock_of(stream, entity));
    PERFORM set_config('crm.host_streams', (held + 1)::text, true);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION crm.record_reference() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  kind constant text := TG_ARGV[0];
  host jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
  entity uuid := (host ->> 'id')::uuid;
  org uuid := CASE WHEN kind = 'organization' THEN entity ELSE (host ->> 'org_id')::uuid END;
  property uuid := CASE WHEN kind = 'property' THEN entity END;
  said jsonb := jsonb_build_object(kind || '_id', entity, 'deleted', TG_OP = 'DELETE');
  col text;
BEGIN
  IF org IS NULL THEN
    RAISE EXCEPTION '% % has no org_id: the core keeps only what belongs to an organisation',
      kind, entity USING HINT = 'Set org_id.';
  END IF;
  IF TG_OP = 'UPDATE' AND kind = 'property'
     AND (to_jsonb(OLD) ->> 'org_id') IS DISTINCT FROM org::text THEN
    RAISE EXCEPTION 'property % cannot move to another organisation', entity;
  END IF;
  FOREACH col IN ARRAY TG_ARGV[1:] LOOP
    said := said || jsonb_build_object(split_part(col, '=', 1), host -> split_part(col, '=', 2));
  END LOOP;
  PERFORM pg_advisory_xact_lock(crm.lock_of(kind, entity));
  INSERT INTO public.crm_events (id, entity_type, entity_id, version, shard, event_type,
    schema_version, org_id, property_id, occurred_at, payload, digest, actor, origin)
  SELECT gen_random_uuid(), kind, entity, coalesce(max(e.version), 0) + 1,
    crm.shard_of(coalesce(property, org)), kind || '.recorded', 1, org, property,
    clock_timestamp(), said, sha256(convert_to(said::text, 'UTF8')), 'host', 'live'
  FROM public.crm_events e WHERE e.entity_type = kind AND e.entity_id = entity;
  RETURN NULL;
END $$;

DROP FUNCTION crm.try_lock_name(text);
DROP FUNCTION crm.lock_name(text);
DROP FUNCTION crm.lock_streams(text[], uuid[], boolean[]);
DROP TABLE crm.lock_rows;
