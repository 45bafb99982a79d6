-- The fact that something was said has one id, whether the host says it or the core: what adopts a
-- message's row is told from what was said through the core by its kind.
CREATE OR REPLACE FUNCTION crm.is_adopted(tbl text, row_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM public.crm_events e WHERE e.id = crm.adopted_id(tbl, row_id)
    AND e.event_type LIKE '%adopted') $$;

CREATE FUNCTION crm.is_said_by_core(message_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM public.crm_events e WHERE e.id = crm.adopted_id('messages', message_id)
    AND e.event_type <> 'conversation.message_adopted') $$;

CREATE OR REPLACE FUNCTION crm.why_not_message(m public.messages) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  home uuid := crm.property_of('conversation', m.conversation_id);
  found public.conversations;
BEGIN
  IF crm.is_said_by_core(m.id) THEN
    RETURN 'its id is that of a message said through the core';
  ELSIF home IS NULL THEN
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

-- What the host says now under the id of what was said through the core would be in its place.
CREATE OR REPLACE FUNCTION crm.adopt_message(m public.messages, source text, speaker text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  why constant text := crm.why_not_message(m);
  talk public.conversations;
  lead uuid;
BEGIN
  IF source = 'live' AND crm.is_said_by_core(m.id) THEN
    PERFORM crm.refuse_host(format('message %s', m.id), 'its id is that of a message said through '
      || 'the core', 'Say it under an id of its own.');
  ELSIF why IS NOT NULL THEN
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
