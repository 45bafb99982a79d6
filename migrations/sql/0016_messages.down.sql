CREATE OR REPLACE FUNCTION crm.is_adopted(tbl text, row_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM public.crm_events e WHERE e.id = crm.adopted_id(tbl, row_id)) $$;

CREATE OR REPLACE FUNCTION crm.why_not_message(m public.messages) RETURNS text LANGUAGE plpgsql STABLE AS $$
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

CREATE OR REPLACE FUNCTION crm.adopt_message(m public.messages, source text, speaker text) RETURNS text
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

DROP FUNCTION crm.is_said_by_core(uuid);
