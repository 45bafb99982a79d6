-- Changes of the host's rows until they are appended to the log. A trigger writes such a row in the
-- host's own transaction. The core appends it, like every other event, and deletes the row in the
-- same transaction.
CREATE TABLE crm.staged_changes (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL UNIQUE,
  entity_type text NOT NULL,
  entity_id uuid NOT NULL,
  event_type text NOT NULL,
  schema_version smallint NOT NULL CHECK (schema_version > 0),
  org_id uuid NOT NULL,
  property_id uuid,
  ordering_key uuid NOT NULL GENERATED ALWAYS AS (coalesce(property_id, org_id)) STORED,
  occurred_at timestamptz NOT NULL,
  staged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  payload jsonb NOT NULL,
  actor text NOT NULL,
  origin text NOT NULL CHECK (origin IN ('live', 'adopt')),
  problem text
);
CREATE INDEX staged_changes_order ON crm.staged_changes (ordering_key, seq);
CREATE INDEX staged_changes_entity ON crm.staged_changes (entity_id, seq);
CREATE INDEX staged_changes_refused ON crm.staged_changes (entity_id, seq)
  WHERE problem IS NOT NULL;
COMMENT ON COLUMN crm.staged_changes.problem IS
  'the reason why the log refuses the event; later changes of the same entity wait behind it';
-- The table is almost always empty: dead rows must not slow down the look for new ones.
ALTER TABLE crm.staged_changes SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 1000);
REVOKE ALL ON crm.staged_changes FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.staged_changes TO service_role;

-- The limit of an event: the append would refuse a larger one when the host's write is committed.
CREATE FUNCTION crm.refuse_giant_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a row of % bytes as text is too large for an event',
    octet_length(NEW.payload::text)
    USING HINT = 'The values that the core reads may have 262144 bytes.',
          ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER staged_changes_fits_an_event BEFORE INSERT ON crm.staged_changes
  FOR EACH ROW WHEN (octet_length(NEW.payload::text) > 262144)
  EXECUTE FUNCTION crm.refuse_giant_row();
ALTER TABLE crm.staged_changes ENABLE ALWAYS TRIGGER staged_changes_fits_an_event;

-- Whether a change of these properties (or organisations) can be appended now.
CREATE FUNCTION crm.has_staged_changes(keys uuid[]) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM crm.staged_changes change WHERE change.ordering_key = ANY (keys)
    AND NOT EXISTS (SELECT FROM crm.staged_changes refused WHERE refused.problem IS NOT NULL
      AND refused.entity_id = change.entity_id AND refused.seq <= change.seq)) $$;

-- Lock the streams of an append. Lock nothing and return false if changes of the host come first.
CREATE FUNCTION crm.lock_for_append(kinds text[], ids uuid[], shared boolean[], keys uuid[])
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF crm.has_staged_changes(keys) THEN
    RETURN false;
  END IF;
  PERFORM crm.lock_streams(kinds, ids, shared);
  RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION crm.has_staged_changes, crm.lock_for_append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.has_staged_changes, crm.lock_for_append TO service_role;

-- A staged change counts as an event of the log. One statement reads both, so that a change that is
-- being moved is always found in one of them.
CREATE OR REPLACE FUNCTION crm.property_of(stream text, entity uuid) RETURNS uuid
LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT e.property_id FROM public.crm_events e
     WHERE e.entity_type = stream AND e.entity_id = entity ORDER BY e.version LIMIT 1),
    (SELECT c.property_id FROM crm.staged_changes c
     WHERE c.entity_type = stream AND c.entity_id = entity ORDER BY c.seq LIMIT 1)) $$;

CREATE OR REPLACE FUNCTION crm.org_of(property uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT e.org_id FROM public.crm_events e
     WHERE e.entity_type = 'property' AND e.entity_id = property ORDER BY e.version DESC LIMIT 1),
    (SELECT c.org_id FROM crm.staged_changes c
     WHERE c.entity_type = 'property' AND c.entity_id = property ORDER BY c.seq LIMIT 1)) $$;

CREATE OR REPLACE FUNCTION crm.is_adopted(tbl text, row_id uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM public.crm_events e WHERE e.id = crm.adopted_id(tbl, row_id)
      AND e.event_type LIKE '%adopted')
    OR EXISTS (SELECT FROM crm.staged_changes c WHERE c.id = crm.adopted_id(tbl, row_id)) $$;

-- Changes of one row are staged in the order of their commits, because each one holds the lock of
-- the row. So no stream is locked here. Of two transactions that adopt the same row, the second
-- waits for the first one at the unique id, and then stages nothing.
CREATE FUNCTION crm.stage_change(
  event_id uuid, stream text, entity uuid, name text, content jsonb, property uuid,
  at timestamptz, actor text, source text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE has_details constant boolean := name IN ('lead.adopted', 'lead.updated');
BEGIN
  INSERT INTO crm.staged_changes (id, entity_type, entity_id, event_type, schema_version, org_id,
    property_id, occurred_at, payload, actor, origin)
  VALUES (event_id, stream, entity, name, CASE WHEN has_details THEN 2 ELSE 1 END,
    crm.org_of(property), property, at,
    CASE WHEN has_details THEN crm.with_contact_keys(content) ELSE content END, actor, source)
  ON CONFLICT (id) DO NOTHING;
END $$;

-- What the triggers of earlier revisions wrote about reference data while the core was installed is
-- staged too: no relay has numbered it yet. Only these triggers write such streams.
ALTER TABLE public.crm_events DISABLE TRIGGER crm_events_never_deleted;
WITH moved AS (
  DELETE FROM public.crm_events WHERE position IS NULL AND actor = 'host'
    AND event_type IN ('organization.recorded', 'property.recorded', 'profile.recorded')
  RETURNING *)
INSERT INTO crm.staged_changes (id, entity_type, entity_id, event_type, schema_version, org_id,
  property_id, occurred_at, payload, actor, origin)
SELECT id, entity_type, entity_id, event_type, schema_version, org_id, property_id, occurred_at,
  payload, actor, origin FROM moved ORDER BY seq;
ALTER TABLE public.crm_events ENABLE ALWAYS TRIGGER crm_events_never_deleted;

DROP FUNCTION crm.say_for_host;
DROP FUNCTION crm.claim_for_host;
DROP FUNCTION crm.lock_for_host;
DROP FUNCTION crm.say_message;
DROP FUNCTION crm.record_agent;
DROP FUNCTION crm.adopt_lead;
DROP FUNCTION crm.adopt_conversation;
DROP FUNCTION crm.adopt_message;

CREATE FUNCTION crm.say_message(
  event_id uuid, m public.messages, lead uuid, at timestamptz, edited boolean, actor text,
  source text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  content constant jsonb := jsonb_build_object('conversation_id', m.conversation_id,
    'lead_id', lead, 'message_id', m.id, 'role', m.role, 'content', m.content);
BEGIN
  PERFORM crm.stage_change(event_id, 'conversation', m.conversation_id,
    'conversation.message_adopted',
    CASE WHEN edited THEN content || '{"edited": true}' ELSE content END,
    crm.property_of('conversation', m.conversation_id), at, actor, source);
END $$;

-- Stage lead.assigned for what the host has in the column, if the lead is in the log.
CREATE FUNCTION crm.record_agent(
  event_id uuid, l public.leads, at timestamptz, source text, actor text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF crm.property_of('lead', l.id) IS NOT NULL THEN
    PERFORM crm.stage_change(event_id, 'lead', l.id, 'lead.assigned',
      jsonb_build_object('lead_id', l.id, 'assigned_agent_id', l.assigned_agent_id),
      l.property_id, at, actor, source);
  END IF;
END $$;

CREATE FUNCTION crm.adopt_lead(l public.leads, source text, actor text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE why constant text := crm.why_not_lead(l);
BEGIN
  IF why IS NOT NULL THEN
    RETURN why;
  END IF;
  IF crm.property_of('lead', l.id) IS NOT NULL THEN
    RETURN 'known';
  END IF;
  PERFORM crm.stage_change(crm.adopted_id('leads', l.id), 'lead', l.id, 'lead.adopted',
    crm.told_of_lead(l), l.property_id, l.created_at, actor, source);
  IF l.assigned_agent_id IS NOT NULL THEN
    PERFORM crm.record_agent(crm.adopted_id('lead_agents', l.id), l, l.created_at, source, actor);
  END IF;
  RETURN 'new';
END $$;

CREATE FUNCTION crm.adopt_conversation(c public.conversations, source text, actor text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  why constant text := crm.why_not_conversation(c);
  lead public.leads;
BEGIN
  IF why IS NOT NULL THEN
    RETURN why;
  END IF;
  IF c.lead_id IS NOT NULL AND crm.property_of('lead', c.lead_id) IS NULL THEN
    SELECT * INTO lead FROM public.leads WHERE id = c.lead_id FOR SHARE SKIP LOCKED;
    IF lead.id IS NULL OR crm.adopt_lead(lead, 'adopt', actor) NOT IN ('new', 'known') THEN
      RETURN 'later';
    END IF;
  END IF;
  IF crm.property_of('conversation', c.id) IS NOT NULL THEN
    RETURN 'known';
  END IF;
  PERFORM crm.stage_change(crm.adopted_id('conversations', c.id), 'conversation', c.id,
    'conversation.adopted', crm.told_of_conversation(c), c.property_id, c.created_at,
    actor, source);
  RETURN 'new';
END $$;

CREATE FUNCTION crm.adopt_message(m public.messages, source text, actor text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  why constant text := crm.why_not_message(m);
  conversation public.conversations;
  lead uuid;
BEGIN
  IF source = 'live' AND crm.is_said_by_core(m.id) THEN
    PERFORM crm.refuse_host(format('message %s', m.id), 'its id is that of a message said through '
      || 'the core', 'Say it under an id of its own.');
  ELSIF why IS NOT NULL THEN
    RETURN why;
  END IF;
  IF crm.property_of('conversation', m.conversation_id) IS NULL THEN
    SELECT * INTO conversation FROM public.conversations WHERE id = m.conversation_id
    FOR SHARE SKIP LOCKED;
    IF conversation.id IS NULL
       OR crm.adopt_conversation(conversation, 'adopt', actor) NOT IN ('new', 'known') THEN
      RETURN 'later';
    END IF;
  END IF;
  IF crm.is_adopted('messages', m.id) THEN
    RETURN 'known';
  END IF;
  SELECT c.lead_id INTO lead FROM public.conversations c WHERE c.id = m.conversation_id;
  PERFORM crm.say_message(crm.adopted_id('messages', m.id), m, lead, m.created_at, false,
    actor, source);
  RETURN 'new';
END $$;

CREATE OR REPLACE FUNCTION crm.record_lead() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  what constant text := format('lead %s', NEW.id);
  moment constant timestamptz := clock_timestamp();
  before jsonb;
  result text;
  changes jsonb;
  why text;
BEGIN
  PERFORM crm.refuse_core_columns(what, to_jsonb(OLD), to_jsonb(NEW),
    ARRAY['org_id', 'external_id', 'merged_into']);
  IF TG_OP = 'INSERT' OR crm.property_of('lead', NEW.id) IS NULL THEN
    result := crm.adopt_lead(NEW, CASE TG_OP WHEN 'INSERT' THEN 'live' ELSE 'adopt' END, 'host');
    PERFORM crm.tell_if_left_out(what, result);
    IF result <> 'known' OR TG_OP = 'INSERT' THEN
      RETURN NULL;
    END IF;
  END IF;
  IF (NEW.id, NEW.property_id, NEW.created_at)
     IS DISTINCT FROM (OLD.id, OLD.property_id, OLD.created_at) THEN
    PERFORM crm.refuse_host(what, 'id, property_id and created_at stay as they are',
      'A lead of another property is another lead.');
  END IF;
  why := crm.unsayable_lead(NEW);
  IF why IS NOT NULL THEN
    PERFORM crm.refuse_host(what, why, 'The log holds no such value, so the row may not either.');
  END IF;
  before := crm.told_of_lead(OLD);
  SELECT jsonb_object_agg(key, value) INTO changes FROM jsonb_each(crm.told_of_lead(NEW)) AS is_now
  WHERE key !~ '^has_' AND value IS DISTINCT FROM before -> key;
  IF changes IS NULL THEN
    RETURN NULL;
  END IF;
  IF changes ? 'status' THEN
    PERFORM crm.stage_change(gen_random_uuid(), 'lead', NEW.id, 'lead.status_changed',
      jsonb_build_object('lead_id', NEW.id, 'status', NEW.status, 'previous_status', OLD.status),
      NEW.property_id, moment, 'host', 'live');
    changes := changes - 'status';
  END IF;
  IF changes <> '{}' THEN
    SELECT changes || coalesce(jsonb_object_agg('has_' || field, crm.told_of_lead(NEW)
                                             -> ('has_' || field)), '{}')
      INTO changes
    FROM unnest(ARRAY['first_name', 'last_name', 'email', 'phone']) AS field WHERE changes ? field;
    PERFORM crm.stage_change(gen_random_uuid(), 'lead', NEW.id, 'lead.updated',
      changes || jsonb_build_object('lead_id', NEW.id), NEW.property_id, moment, 'host', 'live');
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION crm.record_conversation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  what constant text := format('conversation %s', NEW.id);
  before jsonb;
  result text;
  changes jsonb;
  why text;
  lead public.leads;
BEGIN
  PERFORM crm.refuse_core_columns(what, to_jsonb(OLD), to_jsonb(NEW),
    CASE TG_OP WHEN 'INSERT' THEN ARRAY['org_id', 'widget_session_id']
      ELSE ARRAY['org_id', 'widget_session_id', 'takeover_epoch', 'waiting_for_human',
        'message_count'] END);
  IF TG_OP = 'INSERT' OR crm.property_of('conversation', NEW.id) IS NULL THEN
    result := crm.adopt_conversation(
      NEW, CASE TG_OP WHEN 'INSERT' THEN 'live' ELSE 'adopt' END, 'host');
    PERFORM crm.tell_if_left_out(what, result);
    IF result <> 'known' OR TG_OP = 'INSERT' THEN
      RETURN NULL;
    END IF;
  END IF;
  IF (NEW.id, NEW.property_id, NEW.created_at)
     IS DISTINCT FROM (OLD.id, OLD.property_id, OLD.created_at) THEN
    PERFORM crm.refuse_host(what, 'id, property_id and created_at stay as they are',
      'A conversation of another property is another conversation.');
  END IF;
  why := coalesce(crm.unsayable_conversation(NEW),
    CASE WHEN NEW.lead_id IS DISTINCT FROM OLD.lead_id
      THEN crm.why_not_of_lead(NEW.lead_id, NEW.property_id) END);
  IF why IS NOT NULL THEN
    PERFORM crm.refuse_host(what, why, 'The log holds no such value, so the row may not either.');
  END IF;
  before := crm.told_of_conversation(OLD);
  SELECT jsonb_object_agg(key, value) INTO changes
  FROM jsonb_each(crm.told_of_conversation(NEW)) AS is_now
  WHERE value IS DISTINCT FROM before -> key;
  IF changes IS NULL THEN
    RETURN NULL;
  END IF;
  IF NEW.lead_id IS DISTINCT FROM OLD.lead_id AND NEW.lead_id IS NOT NULL
     AND crm.property_of('lead', NEW.lead_id) IS NULL THEN
    SELECT * INTO lead FROM public.leads WHERE id = NEW.lead_id FOR SHARE;
    PERFORM crm.adopt_lead(lead, 'adopt', 'host');
  END IF;
  PERFORM crm.stage_change(gen_random_uuid(), 'conversation', NEW.id, 'conversation.adopted',
    changes || jsonb_build_object('conversation_id', NEW.id, 'channel', NEW.channel),
    NEW.property_id, clock_timestamp(), 'host', 'live');
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION crm.record_message() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  what constant text := format('message %s', NEW.id);
  result text;
  why text;
  lead uuid;
BEGIN
  PERFORM crm.refuse_core_columns(what, to_jsonb(OLD), to_jsonb(NEW),
    ARRAY['org_id', 'property_id', 'author', 'human_agent_id', 'position']);
  IF TG_OP = 'INSERT' OR OLD.org_id IS NULL AND NOT crm.is_adopted('messages', NEW.id) THEN
    result := crm.adopt_message(NEW, CASE TG_OP WHEN 'INSERT' THEN 'live' ELSE 'adopt' END, 'host');
    PERFORM crm.tell_if_left_out(what, result);
    IF result <> 'known' OR TG_OP = 'INSERT' THEN
      RETURN NULL;
    END IF;
  END IF;
  IF (NEW.id, NEW.conversation_id, NEW.created_at)
     IS DISTINCT FROM (OLD.id, OLD.conversation_id, OLD.created_at) THEN
    PERFORM crm.refuse_host(what, 'id, conversation_id and created_at stay as they are',
      'What was said elsewhere is another message.');
  END IF;
  IF (NEW.role, NEW.content) IS NOT DISTINCT FROM (OLD.role, OLD.content) THEN
    RETURN NULL;
  END IF;
  IF NOT crm.is_adopted('messages', NEW.id) THEN
    PERFORM crm.refuse_host(what, 'it was said through the core, and stays as it was said',
      'Say something else after it.');
  END IF;
  why := crm.unsayable_message(NEW);
  IF why IS NOT NULL THEN
    PERFORM crm.refuse_host(what, why, 'The log holds no such value, so the row may not either.');
  END IF;
  SELECT c.lead_id INTO lead FROM public.conversations c WHERE c.id = NEW.conversation_id;
  PERFORM crm.say_message(gen_random_uuid(), NEW, lead, clock_timestamp(), true, 'host', 'live');
  RETURN NULL;
END $$;

-- It fires after crm_record, which adopts a row that was not adopted and stages its agent too.
CREATE OR REPLACE FUNCTION crm.record_agent_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE recorded uuid;
BEGIN
  SELECT agent INTO recorded FROM (
    (SELECT 1 AS rank, (c.payload ->> 'assigned_agent_id')::uuid AS agent
     FROM crm.staged_changes c WHERE c.entity_type = 'lead' AND c.entity_id = NEW.id
       AND c.event_type = 'lead.assigned' ORDER BY c.seq DESC LIMIT 1)
    UNION ALL
    (SELECT 2, (e.payload ->> 'assigned_agent_id')::uuid
     FROM public.crm_events e WHERE e.entity_type = 'lead' AND e.entity_id = NEW.id
       AND e.event_type = 'lead.assigned' ORDER BY e.version DESC LIMIT 1)
  ) AS latest ORDER BY rank LIMIT 1;
  IF recorded IS DISTINCT FROM NEW.assigned_agent_id THEN
    PERFORM crm.record_agent(gen_random_uuid(), NEW, clock_timestamp(), 'live', 'host');
  END IF;
  RETURN NULL;
END $$;

-- Fields of an event that are encrypted are listed in `sealed`.
CREATE OR REPLACE FUNCTION crm.keep_ahead() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  current_row constant jsonb := to_jsonb(OLD);
  entity constant uuid := current_row ->> TG_ARGV[0];
  message constant text := CASE WHEN TG_TABLE_NAME = 'messages' THEN OLD.id::text END;
  ahead jsonb;
BEGIN
  SELECT jsonb_object_agg(field.key, current_row -> field.key) INTO ahead
  FROM (
    SELECT e.payload FROM public.crm_events e
    LEFT JOIN crm.checkpoints c ON c.projection_group = 'live' AND c.shard = e.shard
    WHERE e.actor = 'host' AND e.entity_id = entity
      AND (e.position IS NULL OR e.position > coalesce(c.position, 0))
    UNION ALL
    SELECT s.payload FROM crm.staged_changes s WHERE s.actor = 'host' AND s.entity_id = entity
  ) AS unapplied
  CROSS JOIN LATERAL (
    SELECT jsonb_object_keys(unapplied.payload)
    UNION SELECT jsonb_array_elements_text(unapplied.payload #> '{sealed,fields}')
  ) AS field (key)
  WHERE (unapplied.payload ->> 'message_id') IS NOT DISTINCT FROM message
    AND current_row ? field.key;
  IF ahead IS NOT NULL THEN
    NEW := jsonb_populate_record(NEW, ahead);
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION crm.record_reference() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  kind constant text := TG_ARGV[0];
  host jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
  entity uuid := (host ->> 'id')::uuid;
  org uuid := CASE WHEN kind = 'organization' THEN entity ELSE (host ->> 'org_id')::uuid END;
  content jsonb := jsonb_build_object(kind || '_id', entity, 'deleted', TG_OP = 'DELETE');
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
    content := content
      || jsonb_build_object(split_part(col, '=', 1), host -> split_part(col, '=', 2));
  END LOOP;
  INSERT INTO crm.staged_changes (id, entity_type, entity_id, event_type, schema_version, org_id,
    property_id, occurred_at, payload, actor, origin)
  VALUES (gen_random_uuid(), kind, entity, kind || '.recorded', 1, org,
    CASE WHEN kind = 'property' THEN entity END, clock_timestamp(), content, 'host', 'live');
  RETURN NULL;
END $$;
