-- Who holds a place or has booked a tour, for the limits of visitors, sessions and networks. Visitors
-- and networks are keyed hashes. A hold has no lead. `is_owner`: the tour was booked in the session
-- that owns the lead.
CREATE TABLE crm.visitor_places (
  place_id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  visitor text,
  session_id uuid,
  network text,
  lead_id uuid,
  is_owner boolean NOT NULL DEFAULT false,
  ends_at timestamptz NOT NULL
);
CREATE INDEX visitor_places_property ON crm.visitor_places (property_id, ends_at);
CREATE INDEX visitor_places_ends ON crm.visitor_places (ends_at);

INSERT INTO crm.visitor_places (place_id, property_id, lead_id, ends_at)
SELECT entity_id, property_id, lead_id, (payload ->> 'starts_at')::timestamptz
FROM crm_events
WHERE event_type = 'tour.scheduled' AND payload ->> 'source' = 'widget'
  AND (payload ->> 'starts_at')::timestamptz > now()
ON CONFLICT DO NOTHING;

-- The limits are settings of the widget. A rebuild gives unset ones the same values as the defaults
-- here. The copies of a rollback and of a rebuild that is not finished get the columns too.
DO $$
DECLARE
  copy record;
BEGIN
  FOR copy IN SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'lumaleasing_config' AND c.relkind = 'r'
  LOOP
    EXECUTE format(
      'ALTER TABLE %I.lumaleasing_config ADD COLUMN tour_holds_per_visitor int DEFAULT 2, '
      'ADD COLUMN tour_holds_per_network int DEFAULT 10, '
      'ADD COLUMN future_tours_per_contact int DEFAULT 3, '
      'ADD COLUMN future_tours_per_network int DEFAULT 20, '
      'ADD COLUMN tour_held_percent int DEFAULT 25', copy.nspname);
  END LOOP;
END $$;
