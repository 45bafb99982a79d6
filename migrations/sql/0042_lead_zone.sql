-- The time zone in which a lead lives, as lead.zone_set states it.
ALTER TABLE public.leads ADD COLUMN lead_zone text;
COMMENT ON COLUMN public.leads.lead_zone IS 'added by the core';

-- No other code writes the column: its value comes from an event.
CREATE FUNCTION crm.refuse_zone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
BEGIN
  PERFORM crm.refuse_core_columns(format('lead %s', NEW.id), to_jsonb(OLD), to_jsonb(NEW),
    ARRAY['lead_zone']);
  RETURN NULL;
END $$;
CREATE TRIGGER crm_refuse_zone AFTER INSERT OR UPDATE OF lead_zone ON public.leads FOR EACH ROW
  WHEN (current_setting('crm.engine', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION crm.refuse_zone();
ALTER TABLE public.leads ENABLE ALWAYS TRIGGER crm_refuse_zone;
