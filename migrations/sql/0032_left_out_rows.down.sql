DROP INDEX idx_leads_property_created;
DROP INDEX idx_leads_property_standing;
CREATE INDEX idx_leads_property_created ON leads (property_id, created_at, id)
  WHERE merged_into IS NULL;
CREATE INDEX idx_leads_property_standing ON leads (property_id, status, source)
  WHERE merged_into IS NULL;
DROP TRIGGER crm_record_dependents ON leads;
DROP TRIGGER crm_record_dependents ON conversations;
DROP FUNCTION crm.adopt_rows_of_lead();
DROP FUNCTION crm.adopt_rows_of_conversation();
DROP FUNCTION crm.adopt_messages_of(uuid);
CREATE OR REPLACE FUNCTION crm.unsayable_message(m public.messages) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
  WHEN m.role <> ALL (ARRAY['user', 'assistant', 'system'])
    THEN 'role is unknown: ' || left(m.role, 40)
  WHEN m.content IS NULL THEN 'content is empty'
  WHEN char_length(m.content) > 20000 THEN 'content is longer than 20000 characters'
END $$;
