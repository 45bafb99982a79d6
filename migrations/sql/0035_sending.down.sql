DROP TABLE crm.delivery_stops;
DROP INDEX public.crm_events_deliveries_of_property;
DROP INDEX public.crm_events_deliveries_of_lead;
