-- The agent who is responsible for a lead. The host may have the column, with its own values.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.leads'::regclass
      AND attname = 'assigned_agent_id' AND NOT attisdropped) THEN
    ALTER TABLE public.leads ADD COLUMN assigned_agent_id uuid;
    COMMENT ON COLUMN public.leads.assigned_agent_id IS 'added by the core';
  END IF;
END $$;

-- Append lead.assigned for what the host has in the column, if the lead is in the log.
CREATE FUNCTION crm.record_agent(l public.leads, at timestamptz, source text, speaker text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF crm.property_of('lead', l.id) IS NOT NULL THEN
    PERFORM crm.lock_for_host('lead', l.id, l.property_id);
    PERFORM crm.say_for_host(gen_random_uuid(), 'lead', l.id, 'lead.assigned',
      jsonb_build_object('lead_id', l.id, 'assigned_agent_id', l.assigned_agent_id),
      l.property_id, l.id, at, speaker, source);
  END IF;
END $$;

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
  IF l.assigned_agent_id IS NOT NULL THEN
    PERFORM crm.record_agent(l, l.created_at, source, speaker);
  END IF;
  RETURN 'new';
END $$;

-- What other code of the host writes into the column. It fires after crm_record, which adopts the row
-- if that was not done, and then tells of its agent too.
CREATE FUNCTION crm.record_agent_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE recorded constant uuid := (SELECT (e.payload ->> 'assigned_agent_id')::uuid
  FROM public.crm_events e WHERE e.entity_type = 'lead' AND e.entity_id = NEW.id
    AND e.event_type = 'lead.assigned' ORDER BY e.version DESC LIMIT 1);
BEGIN
  IF recorded IS DISTINCT FROM NEW.assigned_agent_id THEN
    PERFORM crm.record_agent(NEW, clock_timestamp(), 'live', 'host');
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER crm_record_agent AFTER UPDATE ON leads FOR EACH ROW
  WHEN (current_setting('crm.engine', true) IS DISTINCT FROM 'on'
        AND OLD.assigned_agent_id IS DISTINCT FROM NEW.assigned_agent_id)
  EXECUTE FUNCTION crm.record_agent_change();
ALTER TABLE leads ENABLE ALWAYS TRIGGER crm_record_agent;
