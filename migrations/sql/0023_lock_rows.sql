-- Rows that transactions lock. Every role may take every advisory lock, and pg_locks shows to every
-- role which ones are held: a client could stop all appends to a property. These rows can be locked
-- only by roles that may update them.
--   below 0: the order of a property's events, 1,024 properties with 8 rows each
--   0 to 16,383: streams
--   20,000 to 20,255: names; 20,256 to 20,271: names of tasks that run once at a time
-- Two properties, streams or names with the same row wait for each other; this costs time only.
CREATE TABLE crm.lock_rows (key int PRIMARY KEY);
INSERT INTO crm.lock_rows
SELECT generate_series(-8192, 16383) UNION ALL SELECT generate_series(20000, 20271);
REVOKE ALL ON crm.lock_rows FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, UPDATE ON crm.lock_rows TO service_role;

-- Lock streams, and properties (kind `order`), until the end of the transaction. All transactions take
-- rows in the order of their keys, so that they cannot deadlock: properties first. Who locks a
-- property in shared mode takes one of its rows, chosen by its session, so that sessions seldom share
-- a row. Who wants it alone takes all of them, and is not passed by for ever.
CREATE FUNCTION crm.lock_streams(kinds text[], ids uuid[], shared boolean[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  keys int[];
  modes boolean[];
  first int := 1;
  found_rows bigint := 0;
  run_rows bigint;
  own_part constant int[] := ARRAY[pg_backend_pid() % 8];
  all_parts constant int[] := ARRAY[0, 1, 2, 3, 4, 5, 6, 7];
BEGIN
  SELECT array_agg(wanted.key), array_agg(wanted.mode) INTO keys, modes
  FROM (SELECT CASE WHEN r.kind = 'order'
                 THEN -1 - (8 * (hashtextextended(r.id::text, 0) & 1023)::int + part)
                 ELSE (hashtextextended(r.kind || ':' || r.id::text, 0) & 16383)::int END AS key,
               bool_and(r.mode) AS mode
        FROM unnest(kinds, ids, shared) AS r (kind, id, mode),
          unnest(CASE WHEN r.kind = 'order' AND NOT r.mode THEN all_parts ELSE own_part END) AS part
        GROUP BY 1 ORDER BY 1) AS wanted;
  -- One statement for each run of keys with the same mode.
  FOR i IN 1 .. coalesce(cardinality(keys), 0) LOOP
    CONTINUE WHEN modes[i] = modes[i + 1];
    IF modes[i] THEN
      PERFORM FROM crm.lock_rows WHERE key = ANY (keys[first:i]) ORDER BY key FOR SHARE;
    ELSE
      PERFORM FROM crm.lock_rows WHERE key = ANY (keys[first:i]) ORDER BY key FOR UPDATE;
    END IF;
    GET DIAGNOSTICS run_rows = ROW_COUNT;
    found_rows := found_rows + run_rows;
    first := i + 1;
  END LOOP;
  IF found_rows < cardinality(keys) THEN
    RAISE EXCEPTION 'crm.lock_rows lacks rows: nothing can be locked'
      USING HINT = 'Insert the rows as the migration of the table does.';
  END IF;
END $$;

-- Lock a name until the end of the transaction.
CREATE FUNCTION crm.lock_name(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM crm.lock_rows WHERE key = 20000 + (hashtext(name) & 255) FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'crm.lock_rows lacks rows: nothing can be locked'
      USING HINT = 'Insert the rows as the migration of the table does.';
  END IF;
END $$;

-- Lock the name of a task until the end of the transaction; return false if another session has it.
CREATE FUNCTION crm.try_lock_name(name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM crm.lock_rows WHERE key = 20256 + (hashtext(name) & 15) FOR UPDATE SKIP LOCKED;
  RETURN FOUND;
END $$;

CREATE OR REPLACE FUNCTION crm.lock_for_host(stream text, entity uuid, property uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  held constant int := coalesce(nullif(current_setting('crm.host_streams', true), ''), '0')::int;
BEGIN
  IF held >= 200 THEN
    PERFORM crm.lock_streams(ARRAY['order'], ARRAY[property], ARRAY[false]);
  ELSE
    PERFORM crm.lock_streams(ARRAY['order', stream], ARRAY[property, entity], ARRAY[true, false]);
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
  PERFORM crm.lock_streams(ARRAY[kind], ARRAY[entity], ARRAY[false]);
  INSERT INTO public.crm_events (id, entity_type, entity_id, version, shard, event_type,
    schema_version, org_id, property_id, occurred_at, payload, digest, actor, origin)
  SELECT gen_random_uuid(), kind, entity, coalesce(max(e.version), 0) + 1,
    crm.shard_of(coalesce(property, org)), kind || '.recorded', 1, org, property,
    clock_timestamp(), said, sha256(convert_to(said::text, 'UTF8')), 'host', 'live'
  FROM public.crm_events e WHERE e.entity_type = kind AND e.entity_id = entity;
  RETURN NULL;
END $$;

DROP FUNCTION crm.lock_of(text, uuid);
