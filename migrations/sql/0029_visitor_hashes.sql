-- Visitor ids are replaced by a keyed hash: in the events, in the actors of events and in the
-- tables. This is the one time that stored events are rewritten: their guard is off inside this
-- transaction only.
CREATE FUNCTION crm.visitor_hash(inner_pad bytea, outer_pad bytea, property uuid, visitor text)
RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT encode(substr(sha256(outer_pad || sha256(inner_pad
    || convert_to(property::text || '/' || btrim(visitor), 'UTF8'))), 1, 16), 'hex')
$$;

ALTER TABLE crm_events DISABLE TRIGGER crm_events_numbered_once;

DO $$
DECLARE
  secret bytea;
  inner_pad bytea := decode(repeat('36', 64), 'hex');
  outer_pad bytea := decode(repeat('5c', 64), 'hex');
  copy record;
BEGIN
  SELECT key INTO STRICT secret FROM crm.secret_keys WHERE purpose = 'visitor_id'
    AND (retired_at IS NULL OR retired_at > clock_timestamp())
  ORDER BY retired_at IS NULL DESC, created_at DESC, id LIMIT 1;
  FOR i IN 0 .. 31 LOOP
    inner_pad := set_byte(inner_pad, i, get_byte(secret, i) # 54);
    outer_pad := set_byte(outer_pad, i, get_byte(secret, i) # 92);
  END LOOP;

  -- The digest is a fingerprint that SQL cannot compute. An empty one is computed by its reader.
  UPDATE public.crm_events SET schema_version = 2, digest = '', payload = payload - 'visitor_id'
    || CASE WHEN nullif(btrim(payload ->> 'visitor_id'), '') IS NULL THEN '{}'::jsonb
       ELSE jsonb_build_object('visitor_hash', crm.visitor_hash(
         inner_pad, outer_pad, property_id, payload ->> 'visitor_id')) END
  WHERE event_type = 'session.started' AND schema_version = 1;
  UPDATE public.crm_events SET actor = 'visitor:' || crm.visitor_hash(
    inner_pad, outer_pad, property_id, substr(actor, length('visitor:') + 1))
  WHERE actor LIKE 'visitor:%' AND property_id IS NOT NULL;
  UPDATE public.crm_events SET actor = regexp_replace(actor, '(.* for visitor:).*', '\1')
    || crm.visitor_hash(inner_pad, outer_pad, property_id,
      regexp_replace(actor, '.* for visitor:', ''))
  WHERE actor LIKE 'producer:% for visitor:%' AND property_id IS NOT NULL;

  -- The tables exist in several schemas: live, before the last swap, and of an unfinished rebuild.
  PERFORM set_config('crm.engine', 'on', true);
  FOR copy IN SELECT c.oid::regclass AS name, c.relforcerowsecurity AS is_forced
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relname = 'widget_sessions' AND c.relkind = 'r' AND a.attname = 'visitor_id'
  LOOP
    -- An owner without BYPASSRLS sees no row of its table while row level security is forced.
    EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', copy.name);
    EXECUTE format('UPDATE %s SET visitor_id = crm.visitor_hash($1, $2, property_id, visitor_id) '
      'WHERE nullif(btrim(visitor_id), '''') IS NOT NULL', copy.name) USING inner_pad, outer_pad;
    IF copy.is_forced THEN
      EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', copy.name);
    END IF;
  END LOOP;
  PERFORM set_config('crm.engine', '', true);
END $$;

ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_numbered_once;
DROP FUNCTION crm.visitor_hash(bytea, bytea, uuid, text);

-- A session that was started without a visitor id is visible only to who has proved it.
DROP POLICY "Visitors read their own sessions" ON widget_sessions;
CREATE POLICY "Visitors read their own sessions" ON widget_sessions FOR SELECT TO anon
  USING (property_id = (SELECT crm_api.claim_uuid('property_id'))
    AND (id = (SELECT crm_api.claim_uuid('session_id'))
      OR visitor_id = (SELECT crm_api.claim('visitor_id'))));
