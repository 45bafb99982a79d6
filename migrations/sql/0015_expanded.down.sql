DROP TRIGGER crm_events_fits_a_record ON crm_events;
DROP FUNCTION crm.refuse_giant();
