DROP TRIGGER crm_refuse_zone ON public.leads;
DROP FUNCTION crm.refuse_zone;
ALTER TABLE public.leads DROP COLUMN lead_zone;
