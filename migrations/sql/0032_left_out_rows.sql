-- Rows that adoption leaves out: an empty role of a message was no reason, and what refers to a row
-- that the host corrects follows it.
CREATE OR REPLACE FUNCTION crm.unsayable_message(m public.messages) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
  WHEN m.role IS NULL THEN 'role is empty'
  WHEN m.role <> ALL (ARRAY['user', 'assistant', 'system'])
    THEN 'role is unknown: ' || left(m.role, 40)
  WHEN m.content IS NULL THEN 'content is empty'
  WHEN char_length(m.content) > 20000 THEN 'content is longer than 20000 characters'
END $$;

CREATE FUNCTION crm.adopt_messages_of(conversation uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE m public.messages;
BEGIN
  FOR m IN SELECT * FROM public.messages WHERE conversation_id = conversation AND org_id IS NULL
    ORDER BY created_at, id
  LOOP
    PERFORM crm.adopt_message(m, 'adopt', 'host');
  END LOOP;
END $$;

-- The trigger crm_record has adopted the corrected row itself: triggers fire in the order of names.
CREATE FUNCTION crm.adopt_rows_of_lead() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE c public.conversations;
BEGIN
  IF crm.why_not_lead(OLD) IS NULL OR crm.why_not_lead(NEW) IS NOT NULL THEN
    RETURN NULL;
  END IF;
  FOR c IN SELECT * FROM public.conversations WHERE lead_id = NEW.id AND org_id IS NULL
    ORDER BY created_at, id
  LOOP
    IF crm.adopt_conversation(c, 'adopt', 'host') IN ('new', 'known') THEN
      PERFORM crm.adopt_messages_of(c.id);
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

CREATE FUNCTION crm.adopt_rows_of_conversation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
BEGIN
  IF crm.why_not_conversation(OLD) IS NOT NULL AND crm.why_not_conversation(NEW) IS NULL THEN
    PERFORM crm.adopt_messages_of(NEW.id);
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER crm_record_dependents AFTER UPDATE ON leads FOR EACH ROW
  WHEN (current_setting('crm.engine', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION crm.adopt_rows_of_lead();
CREATE TRIGGER crm_record_dependents AFTER UPDATE ON conversations FOR EACH ROW
  WHEN (current_setting('crm.engine', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION crm.adopt_rows_of_conversation();
ALTER TABLE leads ENABLE ALWAYS TRIGGER crm_record_dependents;
ALTER TABLE conversations ENABLE ALWAYS TRIGGER crm_record_dependents;

-- A row that is left out is on no route, so it is not in the lists either.
DROP INDEX idx_leads_property_created;
DROP INDEX idx_leads_property_standing;
CREATE INDEX idx_leads_property_created ON leads (property_id, created_at, id)
  WHERE merged_into IS NULL AND org_id IS NOT NULL;
CREATE INDEX idx_leads_property_standing ON leads (property_id, status, source)
  WHERE merged_into IS NULL AND org_id IS NOT NULL;
