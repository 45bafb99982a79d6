DROP TRIGGER crm_record_agent ON leads;
DROP FUNCTION crm.record_agent_change;
CREATE OR REPLACE FUNCTION crm.adopt_lead(l public.leads, source text, speaker text) RETURNS text
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
DROP FUNCTION crm.record_agent;
-- A column that the host had before stays.
DO $$
BEGIN
  IF col_description('public.leads'::regclass, (SELECT attnum FROM pg_attribute
      WHERE attrelid = 'public.leads'::regclass AND attname = 'assigned_agent_id'))
     = 'added by the core' THEN
    ALTER TABLE public.leads DROP COLUMN assigned_agent_id;
  END IF;
END $$;
