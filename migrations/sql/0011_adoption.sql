-- A host whose leads, conversations and messages have rows: they are adopted as facts, and what its
-- other code goes on writing there in SQL becomes facts in the same transaction.
CREATE TABLE crm.adoption (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  state text NOT NULL DEFAULT 'none' CHECK (state IN ('none', 'open', 'complete')),
  opened_at timestamptz,
  completed_at timestamptz
);
COMMENT ON COLUMN crm.adoption.state IS
  'none: only the core writes; open: the host writes too, its rows are being adopted; complete';
INSERT INTO crm.adoption DEFAULT VALUES;
CREATE INDEX crm_events_of_host ON crm_events (entity_id, position) WHERE actor = 'host';

-- The fact that adopts a row has one id, whoever adopts it.
CREATE FUNCTION crm.adopted_id(tbl text, row_id uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT encode(substring(sha256(convert_to('adopt/' || tbl || '/' || row_id::text, 'UTF8'))
                        FROM 1 FOR 16), 'hex')::uuid $$;

CREATE FUNCTION crm.is_adopted(tbl text, row_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM public.crm_events e WHERE e.id = crm.adopted_id(tbl, row_id)) $$;

-- The property a stream belongs to; null where the log does not know the stream.
CREATE FUNCTION crm.property_of(stream text, entity uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT (SELECT e.property_id FROM public.crm_events e
        WHERE e.entity_type = stream AND e.entity_id = entity ORDER BY e.version LIMIT 1) $$;

CREATE FUNCTION crm.org_of(property uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT (SELECT e.org_id FROM public.crm_events e
        WHERE e.entity_type = 'property' AND e.entity_id = property
        ORDER BY e.version DESC LIMIT 1) $$;

CREATE FUNCTION crm.instant_text(at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

CREATE FUNCTION crm.is_instant(at timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT at IS NULL OR at BETWEEN '0001-01-02 00:00+00'::timestamptz
  AND '9999-12-30 00:00+00'::timestamptz $$;

-- Is there anything but blanks? Where it says no, the events' own rule says no too.
CREATE FUNCTION crm.is_there(value text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(btrim(value, E' \t\n\r\f\v') <> '', false) $$;

-- Streams are locked as an append locks them; a transaction of many holds its property alone.
CREATE FUNCTION crm.lock_for_host(stream text, entity uuid, property uuid) RETURNS void
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

CREATE FUNCTION crm.say_for_host(
  event_id uuid, stream text, entity uuid, name text, said jsonb, property uuid, lead uuid,
  at timestamptz, speaker text, source text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.crm_events (id, entity_type, entity_id, version, shard, event_type,
    schema_version, org_id, property_id, lead_id, occurred_at, payload, digest, actor, origin)
  SELECT event_id, stream, entity, coalesce(max(e.version), 0) + 1, crm.shard_of(property), name,
    1, crm.org_of(property), property, lead, at, said, sha256(convert_to(said::text, 'UTF8')),
    speaker, source
  FROM public.crm_events e WHERE e.entity_type = stream AND e.entity_id = entity;
END $$;

-- Who already has an address keeps it: the host may have it twice. As events/claims.py says it.
CREATE FUNCTION crm.claim_for_host(lead uuid, property uuid, email text, phone text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  wanted jsonb := '{}';
  address constant text := lower(btrim(email, E' \t\n\r\f\v'));
  number constant text := btrim(phone, E' \t\n\r\f\v');
BEGIN
  IF address ~ '^[\x21-\x7e]+$' AND split_part(split_part(address, '@', 1), '+', 1) <> ALL (
    ARRAY['test', 'none', 'na', 'noemail', 'no-email', 'noreply', 'no-reply']) THEN
    wanted := jsonb_build_object('lead.email', address);
  END IF;
  IF number ~ '^\+[\x20-\x7e]*$' AND number !~ '(\d)\1{6}' THEN
    wanted := wanted || jsonb_build_object('lead.phone', lower(number));
  END IF;
  DELETE FROM crm.claims held
  WHERE held.scope = property AND held.kind IN ('lead.email', 'lead.phone')
    AND (held.owner = lead AND held.via = '{}' OR held.via <> '{}' AND held.via[1] = lead)
    AND held.value IS DISTINCT FROM
      left(encode(sha256(convert_to(wanted ->> held.kind, 'UTF8')), 'hex'), 40);
  -- What a merged lead claims is its winner's.
  INSERT INTO crm.claims (kind, scope, value, owner, via)
  SELECT said.key, property, left(encode(sha256(convert_to(said.value, 'UTF8')), 'hex'), 40),
    coalesce(merged.owner, lead), coalesce(merged.via, '{}')
  FROM jsonb_each_text(wanted) AS said
  LEFT JOIN crm.claims merged ON merged.kind = 'lead.merged' AND merged.scope = property
    AND merged.value = lead::text
  ORDER BY said.key
  ON CONFLICT DO NOTHING;
END $$;

-- What no event can hold is said to be so: the bounds are those of events/leads.py and chat.py.
CREATE FUNCTION crm.unsayable_lead(l public.leads) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
  WHEN l.status IS NULL THEN 'status is empty'
  WHEN l.status <> ALL (ARRAY['new', 'contacted', 'tour_booked', 'toured', 'applied', 'qualified',
    'leased', 'lost']) THEN 'status is unknown: ' || left(l.status, 40)
  WHEN char_length(l.source) > 320 THEN 'source is longer than 320 characters'
  WHEN char_length(l.first_name) > 320 THEN 'first_name is longer than 320 characters'
  WHEN char_length(l.last_name) > 320 THEN 'last_name is longer than 320 characters'
  WHEN char_length(l.email) > 320 THEN 'email is longer than 320 characters'
  WHEN char_length(l.phone) > 320 THEN 'phone is longer than 320 characters'
  WHEN char_length(l.bedrooms) > 320 THEN 'bedrooms is longer than 320 characters'
  WHEN char_length(l.notes) > 20000 THEN 'notes is longer than 20000 characters'
  WHEN l.move_in_date NOT BETWEEN '0001-01-01'::date AND '9999-12-31'::date
    THEN 'move_in_date is no day of the calendar'
  WHEN NOT crm.is_instant(l.last_contacted_at) THEN 'last_contacted_at is no instant'
  WHEN NOT crm.is_instant(l.updated_at) THEN 'updated_at is no instant'
END $$;

CREATE FUNCTION crm.unsayable_conversation(c public.conversations) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
  WHEN c.channel IS NULL THEN 'channel is empty'
  WHEN c.channel <> ALL (ARRAY['widget', 'chat', 'sms', 'email'])
    THEN 'channel is unknown: ' || left(c.channel, 40)
  WHEN NOT crm.is_instant(c.human_started_at) THEN 'human_started_at is no instant'
  WHEN NOT crm.is_instant(c.human_ended_at) THEN 'human_ended_at is no instant'
END $$;

CREATE FUNCTION crm.unsayable_message(m public.messages) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
  WHEN m.role <> ALL (ARRAY['user', 'assistant', 'system'])
    THEN 'role is unknown: ' || left(m.role, 40)
  WHEN m.content IS NULL THEN 'content is empty'
  WHEN char_length(m.content) > 20000 THEN 'content is longer than 20000 characters'
END $$;

CREATE FUNCTION crm.unsayable_birth(property uuid, created_at timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE
  WHEN property IS NULL THEN 'it has no property'
  WHEN crm.org_of(property) IS NULL THEN 'its property is not in the log'
  WHEN created_at IS NULL THEN 'created_at is empty'
  WHEN created_at < '1990-01-01 00:00+00'::timestamptz THEN 'created_at is before 1990'
  WHEN created_at > clock_timestamp() + interval '2 minutes' THEN 'created_at is yet to come'
END $$;

-- Why a row cannot be adopted, with what it refers to; null where it can.
CREATE FUNCTION crm.why_not_lead(l public.leads) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(crm.unsayable_birth(l.property_id, l.created_at), crm.unsayable_lead(l)) $$;

CREATE FUNCTION crm.why_not_of_lead(lead uuid, property uuid) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  home uuid := crm.property_of('lead', lead);
  found public.leads;
BEGIN
  IF lead IS NULL OR home = property THEN
    RETURN NULL;
  ELSIF home IS NULL THEN
    SELECT * INTO found FROM public.leads WHERE id = lead;
    IF found.id IS NULL THEN
      RETURN 'its lead is not there';
    ELSIF crm.why_not_lead(found) IS NOT NULL THEN
      RETURN 'its lead cannot be adopted';
    END IF;
    home := found.property_id;
  END IF;
  RETURN CASE WHEN home <> property THEN 'its lead is of another property' END;
END $$;

CREATE FUNCTION crm.why_not_conversation(c public.conversations) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(crm.unsayable_birth(c.property_id, c.created_at), crm.unsayable_conversation(c),
  crm.why_not_of_lead(c.lead_id, c.property_id)) $$;

CREATE FUNCTION crm.why_not_message(m public.messages) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  home uuid := crm.property_of('conversation', m.conversation_id);
  found public.conversations;
BEGIN
  IF home IS NULL THEN
    SELECT * INTO found FROM public.conversations WHERE id = m.conversation_id;
    IF found.id IS NULL THEN
      RETURN 'its conversation is not there';
    ELSIF crm.why_not_conversation(found) IS NOT NULL THEN
      RETURN 'its conversation cannot be adopted';
    END IF;
    home := found.property_id;
  END IF;
  RETURN coalesce(crm.unsayable_birth(home, m.created_at), crm.unsayable_message(m));
END $$;

-- What an event says of a row: its keys are the columns that the host writes.
CREATE FUNCTION crm.told_of_lead(l public.leads) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('lead_id', l.id, 'status', l.status, 'source', l.source,
  'first_name', l.first_name, 'last_name', l.last_name, 'email', l.email, 'phone', l.phone,
  'move_in_date', to_char(l.move_in_date, 'YYYY-MM-DD'), 'bedrooms', l.bedrooms,
  'notes', l.notes, 'last_contacted_at', crm.instant_text(l.last_contacted_at),
  'updated_at', crm.instant_text(l.updated_at),
  'has_first_name', crm.is_there(l.first_name), 'has_last_name', crm.is_there(l.last_name),
  'has_email', crm.is_there(l.email), 'has_phone', crm.is_there(l.phone)) $$;

CREATE FUNCTION crm.told_of_conversation(c public.conversations) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('conversation_id', c.id, 'lead_id', c.lead_id, 'channel', c.channel,
  'is_human_mode', coalesce(c.is_human_mode, false), 'human_agent_id', c.human_agent_id,
  'human_started_at', crm.instant_text(c.human_started_at),
  'human_ended_at', crm.instant_text(c.human_ended_at)) $$;

-- Adopting a row: 'new', 'known', 'later' (somebody writes what it refers to), or why it cannot be.
CREATE FUNCTION crm.adopt_lead(l public.leads, source text, speaker text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE why constant text := crm.why_not_lead(l);
BEGIN
  IF why IS NOT NULL THEN
    RETURN why;
  END IF;
  PERFORM crm.lock_for_host('lead', l.id, l.property_id);
  IF crm.property_of('lead', l.id) IS NOT NULL THEN
    RETURN 'known';
  END IF;
  PERFORM crm.say_for_host(crm.adopted_id('leads', l.id), 'lead', l.id, 'lead.adopted',
    crm.told_of_lead(l), l.property_id, l.id, l.created_at, speaker, source);
  PERFORM crm.claim_for_host(l.id, l.property_id, l.email, l.phone);
  RETURN 'new';
END $$;

CREATE FUNCTION crm.adopt_conversation(c public.conversations, source text, speaker text)
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
    IF lead.id IS NULL OR crm.adopt_lead(lead, 'adopt', speaker) NOT IN ('new', 'known') THEN
      RETURN 'later';
    END IF;
  END IF;
  PERFORM crm.lock_for_host('conversation', c.id, c.property_id);
  IF crm.property_of('conversation', c.id) IS NOT NULL THEN
    RETURN 'known';
  END IF;
  PERFORM crm.say_for_host(crm.adopted_id('conversations', c.id), 'conversation', c.id,
    'conversation.adopted', crm.told_of_conversation(c), c.property_id, c.lead_id, c.created_at,
    speaker, source);
  RETURN 'new';
END $$;

CREATE FUNCTION crm.say_message(
  event_id uuid, m public.messages, lead uuid, at timestamptz, edited boolean, speaker text,
  source text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  said jsonb := jsonb_build_object('conversation_id', m.conversation_id, 'lead_id', lead,
    'message_id', m.id, 'role', m.role, 'content', m.content);
BEGIN
  PERFORM crm.say_for_host(event_id, 'conversation', m.conversation_id,
    'conversation.message_adopted',
    CASE WHEN edited THEN said || '{"edited": true}' ELSE said END,
    crm.property_of('conversation', m.conversation_id), lead, at, speaker, source);
END $$;

CREATE FUNCTION crm.adopt_message(m public.messages, source text, speaker text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  why constant text := crm.why_not_message(m);
  talk public.conversations;
  lead uuid;
BEGIN
  IF why IS NOT NULL THEN
    RETURN why;
  END IF;
  IF crm.property_of('conversation', m.conversation_id) IS NULL THEN
    SELECT * INTO talk FROM public.conversations WHERE id = m.conversation_id
    FOR SHARE SKIP LOCKED;
    IF talk.id IS NULL
       OR crm.adopt_conversation(talk, 'adopt', speaker) NOT IN ('new', 'known') THEN
      RETURN 'later';
    END IF;
  END IF;
  PERFORM crm.lock_for_host('conversation', m.conversation_id,
    crm.property_of('conversation', m.conversation_id));
  IF crm.is_adopted('messages', m.id) THEN
    RETURN 'known';
  END IF;
  SELECT c.lead_id INTO lead FROM public.conversations c WHERE c.id = m.conversation_id;
  PERFORM crm.say_message(crm.adopted_id('messages', m.id), m, lead, m.created_at, false,
    speaker, source);
  RETURN 'new';
END $$;

-- What the host's other code writes, logged in its own transaction. The engine's writes are not.
CREATE FUNCTION crm.refuse_host(what text, why text, hint text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: %', what, why USING HINT = hint, ERRCODE = 'restrict_violation';
END $$;

-- The columns a table has of the core, also those that later revisions add.
CREATE FUNCTION crm.refuse_core_columns(what text, was jsonb, is_now jsonb, own text[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE col text;
BEGIN
  FOREACH col IN ARRAY own LOOP
    IF was ->> col IS DISTINCT FROM is_now ->> col THEN
      PERFORM crm.refuse_host(what, col || ' is the core''s column', 'Leave it as it is.');
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION crm.tell_if_left_out(what text, told text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF told NOT IN ('new', 'known') THEN
    RAISE WARNING '% is not adopted by the core: %', what, told
      USING HINT = '`crm adopt --dry-run` lists such rows.';
  END IF;
END $$;

CREATE FUNCTION crm.record_lead() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  what constant text := format('lead %s', NEW.id);
  moment constant timestamptz := clock_timestamp();
  was jsonb;
  told text;
  said jsonb;
  why text;
BEGIN
  PERFORM crm.refuse_core_columns(what, to_jsonb(OLD), to_jsonb(NEW),
    ARRAY['org_id', 'external_id', 'merged_into']);
  IF TG_OP = 'INSERT' OR crm.property_of('lead', NEW.id) IS NULL THEN
    told := crm.adopt_lead(NEW, CASE TG_OP WHEN 'INSERT' THEN 'live' ELSE 'adopt' END, 'host');
    PERFORM crm.tell_if_left_out(what, told);
    IF told <> 'known' OR TG_OP = 'INSERT' THEN
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
  was := crm.told_of_lead(OLD);
  SELECT jsonb_object_agg(key, value) INTO said FROM jsonb_each(crm.told_of_lead(NEW)) AS is_now
  WHERE key !~ '^has_' AND value IS DISTINCT FROM was -> key;
  IF said IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM crm.lock_for_host('lead', NEW.id, NEW.property_id);
  IF said ? 'status' THEN
    PERFORM crm.say_for_host(gen_random_uuid(), 'lead', NEW.id, 'lead.status_changed',
      jsonb_build_object('lead_id', NEW.id, 'status', NEW.status, 'previous_status', OLD.status),
      NEW.property_id, NEW.id, moment, 'host', 'live');
    said := said - 'status';
  END IF;
  IF said <> '{}' THEN
    SELECT said || coalesce(jsonb_object_agg('has_' || field, crm.told_of_lead(NEW)
                                             -> ('has_' || field)), '{}')
      INTO said
    FROM unnest(ARRAY['first_name', 'last_name', 'email', 'phone']) AS field WHERE said ? field;
    PERFORM crm.say_for_host(gen_random_uuid(), 'lead', NEW.id, 'lead.updated',
      said || jsonb_build_object('lead_id', NEW.id), NEW.property_id, NEW.id, moment, 'host',
      'live');
    IF said ?| ARRAY['email', 'phone'] THEN
      PERFORM crm.claim_for_host(NEW.id, NEW.property_id, NEW.email, NEW.phone);
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION crm.record_conversation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  what constant text := format('conversation %s', NEW.id);
  was jsonb;
  told text;
  said jsonb;
  why text;
  lead public.leads;
BEGIN
  PERFORM crm.refuse_core_columns(what, to_jsonb(OLD), to_jsonb(NEW),
    CASE TG_OP WHEN 'INSERT' THEN ARRAY['org_id', 'widget_session_id']
      ELSE ARRAY['org_id', 'widget_session_id', 'takeover_epoch', 'waiting_for_human',
        'message_count'] END);
  IF TG_OP = 'INSERT' OR crm.property_of('conversation', NEW.id) IS NULL THEN
    told := crm.adopt_conversation(NEW, CASE TG_OP WHEN 'INSERT' THEN 'live' ELSE 'adopt' END, 'host');
    PERFORM crm.tell_if_left_out(what, told);
    IF told <> 'known' OR TG_OP = 'INSERT' THEN
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
  was := crm.told_of_conversation(OLD);
  SELECT jsonb_object_agg(key, value) INTO said
  FROM jsonb_each(crm.told_of_conversation(NEW)) AS is_now
  WHERE value IS DISTINCT FROM was -> key;
  IF said IS NULL THEN
    RETURN NULL;
  END IF;
  IF NEW.lead_id IS DISTINCT FROM OLD.lead_id AND NEW.lead_id IS NOT NULL
     AND crm.property_of('lead', NEW.lead_id) IS NULL THEN
    SELECT * INTO lead FROM public.leads WHERE id = NEW.lead_id FOR SHARE;
    PERFORM crm.adopt_lead(lead, 'adopt', 'host');
  END IF;
  PERFORM crm.lock_for_host('conversation', NEW.id, NEW.property_id);
  PERFORM crm.say_for_host(gen_random_uuid(), 'conversation', NEW.id, 'conversation.adopted',
    said || jsonb_build_object('conversation_id', NEW.id, 'channel', NEW.channel),
    NEW.property_id, NEW.lead_id, clock_timestamp(), 'host', 'live');
  RETURN NULL;
END $$;

CREATE FUNCTION crm.record_message() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  what constant text := format('message %s', NEW.id);
  told text;
  why text;
  lead uuid;
BEGIN
  PERFORM crm.refuse_core_columns(what, to_jsonb(OLD), to_jsonb(NEW),
    ARRAY['org_id', 'property_id', 'author', 'human_agent_id', 'position']);
  IF TG_OP = 'INSERT' OR OLD.org_id IS NULL AND NOT crm.is_adopted('messages', NEW.id) THEN
    told := crm.adopt_message(NEW, CASE TG_OP WHEN 'INSERT' THEN 'live' ELSE 'adopt' END, 'host');
    PERFORM crm.tell_if_left_out(what, told);
    IF told <> 'known' OR TG_OP = 'INSERT' THEN
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
  PERFORM crm.lock_for_host('conversation', NEW.conversation_id,
    crm.property_of('conversation', NEW.conversation_id));
  PERFORM crm.say_message(gen_random_uuid(), NEW, lead, clock_timestamp(), true, 'host', 'live');
  RETURN NULL;
END $$;

-- What the host wrote is in its row at once, and in the log; the tables come to that fact later.
-- Until then no older fact may put the column back: the fact that comes last will have the say.
CREATE FUNCTION crm.keep_ahead() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE
  mine constant jsonb := to_jsonb(OLD);
  entity constant uuid := mine ->> TG_ARGV[0];
  ahead jsonb;
BEGIN
  SELECT jsonb_object_agg(said.key, mine -> said.key) INTO ahead
  FROM public.crm_events e
  LEFT JOIN crm.checkpoints c ON c.unit = 'live' AND c.shard = e.shard
  CROSS JOIN LATERAL jsonb_object_keys(e.payload) AS said (key)
  WHERE e.actor = 'host' AND e.entity_id = entity
    AND (e.position IS NULL OR e.position > coalesce(c.position, 0))
    AND (e.payload ->> 'message_id') IS NOT DISTINCT FROM
      CASE WHEN TG_TABLE_NAME = 'messages' THEN OLD.id::text END
    AND mine ? said.key;
  IF ahead IS NOT NULL THEN
    NEW := jsonb_populate_record(NEW, ahead);
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION crm.refuse_unless_adopted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
BEGIN
  IF EXISTS (SELECT FROM crm.adoption WHERE state <> 'none')
     AND NOT ARRAY['anon', 'authenticated'] && ARRAY[session_user::text, current_setting('role')]
  THEN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
      RETURN NULL;
    END IF;
    RAISE EXCEPTION '% are not deleted: their history is kept', TG_TABLE_NAME
      USING HINT = 'Set a lead''s status to lost, or have its personal data erased.',
            ERRCODE = 'restrict_violation';
  END IF;
  RAISE EXCEPTION '% is derived from events and is not written directly', TG_TABLE_NAME
    USING HINT = coalesce(TG_ARGV[0], 'Publish an event instead.'),
          ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER crm_record AFTER INSERT OR UPDATE ON leads FOR EACH ROW
  WHEN (current_setting('crm.engine', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION crm.record_lead();
CREATE TRIGGER crm_record AFTER INSERT OR UPDATE ON conversations FOR EACH ROW
  WHEN (current_setting('crm.engine', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION crm.record_conversation();
CREATE TRIGGER crm_record AFTER INSERT OR UPDATE ON messages FOR EACH ROW
  WHEN (current_setting('crm.engine', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION crm.record_message();
CREATE TRIGGER crm_keep_ahead BEFORE UPDATE ON leads FOR EACH ROW
  WHEN (current_setting('crm.engine', true) = 'on') EXECUTE FUNCTION crm.keep_ahead('id');
CREATE TRIGGER crm_keep_ahead BEFORE UPDATE ON conversations FOR EACH ROW
  WHEN (current_setting('crm.engine', true) = 'on') EXECUTE FUNCTION crm.keep_ahead('id');
CREATE TRIGGER crm_keep_ahead BEFORE UPDATE ON messages FOR EACH ROW
  WHEN (current_setting('crm.engine', true) = 'on')
  EXECUTE FUNCTION crm.keep_ahead('conversation_id');

-- The host may write from now on; whoever is writing meanwhile is waited for. Where only the core
-- writes, nothing is looked up for each row it changes.
CREATE FUNCTION crm.open_adoption() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE tbl text;
BEGIN
  UPDATE crm.adoption SET state = 'open', opened_at = clock_timestamp(), completed_at = NULL
  WHERE state = 'none';
  IF NOT FOUND THEN
    RETURN;
  END IF;
  FOREACH tbl IN ARRAY ARRAY['leads', 'conversations', 'messages'] LOOP
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER crm_keep_ahead', tbl);
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION crm.open_adoption() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.open_adoption() TO service_role;

DO $$
DECLARE
  tbl text;
  guard text;
BEGIN
  FOREACH tbl IN ARRAY ARRAY['leads', 'conversations', 'messages'] LOOP
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER crm_record', tbl);
    EXECUTE format('ALTER TABLE public.%I DISABLE TRIGGER crm_keep_ahead', tbl);
    SELECT replace(pg_get_triggerdef(oid), 'refuse_direct_write(', 'refuse_unless_adopted(')
      INTO STRICT guard FROM pg_trigger
      WHERE tgrelid = format('public.%I', tbl)::regclass AND tgname = 'crm_only_engine';
    EXECUTE format('DROP TRIGGER crm_only_engine ON public.%I', tbl);
    EXECUTE guard;
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER crm_only_engine', tbl);
    EXECUTE format('ALTER TABLE public.%I NO FORCE ROW LEVEL SECURITY', tbl);  -- to see the rows
  END LOOP;
  IF EXISTS (SELECT FROM leads WHERE org_id IS NULL)
     OR EXISTS (SELECT FROM conversations WHERE org_id IS NULL)
     OR EXISTS (SELECT FROM messages WHERE org_id IS NULL) THEN
    PERFORM crm.open_adoption();
  END IF;
  FOREACH tbl IN ARRAY ARRAY['leads', 'conversations', 'messages'] LOOP
    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', tbl);
  END LOOP;
END $$;
