-- The log, its order, its claims, and the shard function that SQL and Kafka share.
CREATE SCHEMA IF NOT EXISTS crm;
CREATE SCHEMA IF NOT EXISTS crm_state;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'anon') THEN
    CREATE ROLE anon NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'authenticated') THEN
    CREATE ROLE authenticated NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
    CREATE ROLE service_role NOLOGIN BYPASSRLS;
  END IF;
EXCEPTION
  -- Roles belong to the cluster: two databases being migrated at once may both try.
  WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

CREATE TABLE crm_events (
  id uuid PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  entity_type text NOT NULL,
  entity_id uuid NOT NULL,
  version int NOT NULL CHECK (version > 0),
  shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 63),
  position bigint,
  previous bigint,
  event_type text NOT NULL,
  schema_version smallint NOT NULL CHECK (schema_version > 0),
  org_id uuid NOT NULL,
  property_id uuid,
  lead_id uuid,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  payload jsonb NOT NULL CHECK (pg_column_size(payload) <= 1048576),
  digest bytea NOT NULL,
  actor text NOT NULL,
  origin text NOT NULL CHECK (origin IN ('live', 'import', 'adopt', 'correction')),
  correlation_id uuid,
  causation_id uuid,
  CONSTRAINT crm_events_stream UNIQUE (entity_type, entity_id, version),
  CONSTRAINT crm_events_numbered CHECK ((position IS NULL) = (previous IS NULL)),
  CONSTRAINT crm_events_chained CHECK (previous < position)
);
CREATE UNIQUE INDEX crm_events_position ON crm_events (position);
CREATE INDEX crm_events_shard ON crm_events (shard, position);
CREATE INDEX crm_events_waiting ON crm_events (seq) WHERE position IS NULL;
CREATE INDEX crm_events_lead ON crm_events (lead_id, position) WHERE lead_id IS NOT NULL;
CREATE INDEX crm_events_dropped ON crm_events (position) WHERE event_type = 'parked.dropped';

CREATE FUNCTION crm.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'crm_events is append-only: % refused', lower(TG_OP)
    USING HINT = 'Append a correcting event instead.', ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER crm_events_never_deleted BEFORE DELETE OR TRUNCATE ON crm_events
  FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_change();
CREATE TRIGGER crm_events_unnumbered_at_birth BEFORE INSERT ON crm_events
  FOR EACH ROW WHEN (NEW.position IS NOT NULL OR NEW.previous IS NOT NULL)
  EXECUTE FUNCTION crm.refuse_change();
CREATE TRIGGER crm_events_numbered_once BEFORE UPDATE ON crm_events
  FOR EACH ROW WHEN (
    OLD.position IS NOT NULL OR NEW.position IS NULL
    OR (OLD.id, OLD.seq, OLD.entity_type, OLD.entity_id, OLD.version, OLD.shard, OLD.event_type,
        OLD.schema_version, OLD.org_id, OLD.property_id, OLD.lead_id, OLD.occurred_at,
        OLD.recorded_at, OLD.payload, OLD.digest, OLD.actor, OLD.origin, OLD.correlation_id,
        OLD.causation_id)
      IS DISTINCT FROM
       (NEW.id, NEW.seq, NEW.entity_type, NEW.entity_id, NEW.version, NEW.shard, NEW.event_type,
        NEW.schema_version, NEW.org_id, NEW.property_id, NEW.lead_id, NEW.occurred_at,
        NEW.recorded_at, NEW.payload, NEW.digest, NEW.actor, NEW.origin, NEW.correlation_id,
        NEW.causation_id)
  ) EXECUTE FUNCTION crm.refuse_change();
ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_never_deleted;
ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_unnumbered_at_birth;
ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_numbered_once;

-- One row: which log this is, which life of it, and the counter positions come from.
CREATE TABLE crm.log (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  generation int NOT NULL DEFAULT 1,
  position bigint NOT NULL DEFAULT 0,
  published bigint NOT NULL DEFAULT 0,
  relay_epoch bigint NOT NULL DEFAULT 0,
  relay_name text,
  relay_lease_until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO crm.log DEFAULT VALUES;

CREATE TABLE crm.shards (shard smallint PRIMARY KEY, position bigint NOT NULL DEFAULT 0);
INSERT INTO crm.shards (shard) SELECT generate_series(0, 63);

-- What a relay has been told is on the bus: the end it must find there again.
CREATE TABLE crm.relay_partitions (
  topic text NOT NULL,
  partition int NOT NULL,
  partitions int NOT NULL,
  end_offset bigint NOT NULL,
  PRIMARY KEY (topic, partition)
);

CREATE TABLE crm.claims (
  kind text NOT NULL,
  scope uuid NOT NULL,
  value text NOT NULL,
  owner uuid NOT NULL,
  PRIMARY KEY (kind, scope, value)
);
CREATE INDEX claims_owner ON crm.claims (owner);

-- A command that was carried out or refused for good, and what it answered.
CREATE TABLE crm.commands (
  id uuid PRIMARY KEY,
  digest bytea NOT NULL,
  answer jsonb,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz
);
CREATE INDEX commands_expiry ON crm.commands (expires_at) WHERE expires_at IS NOT NULL;

-- Kafka's murmur2 of the key's text, as its default partitioner computes it, modulo 64.
CREATE FUNCTION crm.shard_of(ordering_key uuid) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE
  bytes bytea := convert_to(ordering_key::text, 'UTF8');
  mask constant bigint := 4294967295;
  m constant bigint := 1540483477;
  h bigint := 2538058380 # length(bytes);
  k bigint;
BEGIN
  FOR i IN 0 .. length(bytes) / 4 - 1 LOOP
    k := get_byte(bytes, i * 4) | (get_byte(bytes, i * 4 + 1) << 8)
       | (get_byte(bytes, i * 4 + 2) << 16) | (get_byte(bytes, i * 4 + 3)::bigint << 24);
    k := (k * m) & mask;
    k := k # (k >> 24);
    k := (k * m) & mask;
    h := ((h * m) & mask) # k;
  END LOOP;
  h := h # (h >> 13);
  h := (h * m) & mask;
  h := h # (h >> 15);
  RETURN (h & 63)::smallint;
END $$;

-- The advisory lock of a stream: held to append to it, shared to rely on its version.
CREATE FUNCTION crm.lock_of(entity_type text, entity_id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN hashtextextended(entity_type || ':' || entity_id::text, 0);

-- The host writes organisations, properties and profiles in SQL; each change becomes a fact in
-- the same transaction. Arguments: entity type, then field=column
-- for each column carried.
CREATE FUNCTION crm.record_reference() RETURNS trigger
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
CREATE TRIGGER crm_record AFTER INSERT OR UPDATE OR DELETE ON organizations
  FOR EACH ROW EXECUTE FUNCTION crm.record_reference(
    'organization', 'display_name=name', 'subscription_tier=subscription_tier',
    'settings=settings');
CREATE TRIGGER crm_record AFTER INSERT OR UPDATE OR DELETE ON properties
  FOR EACH ROW EXECUTE FUNCTION crm.record_reference(
    'property', 'display_name=name', 'address=address', 'settings=settings');
CREATE TRIGGER crm_record AFTER INSERT OR UPDATE OR DELETE ON profiles
  FOR EACH ROW EXECUTE FUNCTION crm.record_reference(
    'profile', 'role=role', 'full_name=full_name', 'preferences=preferences');
-- What the host has already is recorded once: writing a column over itself fires the triggers.
UPDATE organizations SET name = name;
UPDATE properties SET name = name;
UPDATE profiles SET role = role;
