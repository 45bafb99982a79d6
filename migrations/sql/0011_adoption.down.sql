DROP TRIGGER crm_record ON leads;
DROP TRIGGER crm_record ON conversations;
DROP TRIGGER crm_record ON messages;
DROP TRIGGER crm_keep_ahead ON leads;
DROP TRIGGER crm_keep_ahead ON conversations;
DROP TRIGGER crm_keep_ahead ON messages;
DO $$
DECLARE
  tbl text;
  guard text;
BEGIN
  FOREACH tbl IN ARRAY ARRAY['leads', 'conversations', 'messages'] LOOP
    SELECT replace(pg_get_triggerdef(oid), 'refuse_unless_adopted(', 'refuse_direct_write(')
      INTO STRICT guard FROM pg_trigger
      WHERE tgrelid = format('public.%I', tbl)::regclass AND tgname = 'crm_only_engine';
    EXECUTE format('DROP TRIGGER crm_only_engine ON public.%I', tbl);
    EXECUTE guard;
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER crm_only_engine', tbl);
  END LOOP;
END $$;
DROP FUNCTION crm.open_adoption;
DROP FUNCTION crm.refuse_unless_adopted;
DROP FUNCTION crm.keep_ahead;
DROP FUNCTION crm.record_message;
DROP FUNCTION crm.record_conversation;
DROP FUNCTION crm.record_lead;
DROP FUNCTION crm.tell_if_left_out;
DROP FUNCTION crm.refuse_core_columns;
DROP FUNCTION crm.refuse_host;
DROP FUNCTION crm.adopt_message;
DROP FUNCTION crm.say_message;
DROP FUNCTION crm.adopt_conversation;
DROP FUNCTION crm.adopt_lead;
DROP FUNCTION crm.told_of_conversation;
DROP FUNCTION crm.told_of_lead;
DROP FUNCTION crm.why_not_message;
DROP FUNCTION crm.why_not_conversation;
DROP FUNCTION crm.why_not_of_lead;
DROP FUNCTION crm.why_not_lead;
DROP FUNCTION crm.unsayable_birth;
DROP FUNCTION crm.unsayable_message;
DROP FUNCTION crm.unsayable_conversation;
DROP FUNCTION crm.unsayable_lead;
DROP FUNCTION crm.claim_for_host;
DROP FUNCTION crm.say_for_host;
DROP FUNCTION crm.lock_for_host;
DROP FUNCTION crm.is_there;
DROP FUNCTION crm.is_instant;
DROP FUNCTION crm.instant_text;
DROP FUNCTION crm.org_of;
DROP FUNCTION crm.property_of;
DROP FUNCTION crm.is_adopted;
DROP FUNCTION crm.adopted_id;
DROP INDEX crm_events_of_host;
DROP TABLE crm.adoption;
