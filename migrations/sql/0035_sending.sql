-- The rules of sending count the messages of a person and of a property in the log.
CREATE INDEX crm_events_deliveries_of_lead ON public.crm_events (lead_id, occurred_at)
  WHERE entity_type = 'delivery';
CREATE INDEX crm_events_deliveries_of_property
  ON public.crm_events (property_id, event_type, occurred_at)
  WHERE event_type IN ('delivery.planned', 'delivery.claimed');

-- The stop switch: a row without `released_at` stops all messages, or those of one property. Rows
-- stay, so that everybody sees who stopped and let go, and why.
CREATE TABLE crm.delivery_stops (
  id uuid PRIMARY KEY,
  property_id uuid,
  stopped_at timestamptz NOT NULL,
  stopped_by text NOT NULL,
  reason text NOT NULL,
  released_at timestamptz,
  released_by text,
  release_reason text,
  CHECK ((released_at IS NULL) = (released_by IS NULL))
);
CREATE UNIQUE INDEX delivery_stops_in_force
  ON crm.delivery_stops (coalesce(property_id, '00000000-0000-0000-0000-000000000000'::uuid))
  WHERE released_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON crm.delivery_stops TO service_role;
