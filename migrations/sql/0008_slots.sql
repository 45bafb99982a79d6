-- Times at which tours can start. `holds` is {hold id: {tour_id, session_id, expires_at}}.
CREATE TABLE tour_slots (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid,
  property_id uuid REFERENCES properties(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  slot_date date NOT NULL,
  start_time time NOT NULL,
  end_time time NOT NULL,
  time_zone text,
  fold smallint DEFAULT 0,
  starts_at timestamptz,
  duration_minutes int,
  capacity int DEFAULT 1,
  status text DEFAULT 'open',
  holds jsonb DEFAULT '{}',
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);
CREATE INDEX idx_tour_slots_property ON tour_slots(property_id, slot_date);
CREATE POLICY "Members read their org tour slots" ON tour_slots FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));
CREATE POLICY "Visitors read the slots of their property" ON tour_slots FOR SELECT TO anon
  USING (property_id = (SELECT crm_api.claim_uuid('property_id')));
GRANT SELECT ON tour_slots TO anon;
CALL crm.guard_table('tour_slots', 'POST /api/lumaleasing/tours');

-- When slots and tours are: written in the transaction of the events they follow from, so that a
-- booking sees what overlaps it. Only a cancelled tour gives its time back.
CREATE TABLE crm.slot_times (
  slot_id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL
);
CREATE INDEX slot_times_property ON crm.slot_times (property_id, ends_at);
CREATE TABLE crm.tour_times (
  tour_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  agent_id uuid,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL
);
CREATE INDEX tour_times_agent ON crm.tour_times (agent_id, ends_at) WHERE agent_id IS NOT NULL;

INSERT INTO crm.slot_times
SELECT DISTINCT ON (entity_id) entity_id, property_id, (payload ->> 'starts_at')::timestamptz,
  (payload ->> 'starts_at')::timestamptz
    + make_interval(mins => (payload ->> 'duration_minutes')::int)
FROM crm_events WHERE event_type = 'slot.opened' ORDER BY entity_id, version;

INSERT INTO crm.tour_times
SELECT placed.entity_id, placed.org_id, given.agent_id::uuid,
  placed.starts_at, placed.starts_at + make_interval(mins => placed.minutes)
FROM (
  SELECT DISTINCT ON (entity_id) entity_id, org_id,
    (payload ->> 'starts_at')::timestamptz AS starts_at,
    coalesce((payload ->> 'duration_minutes')::int, 30) AS minutes
  FROM crm_events WHERE event_type IN ('tour.scheduled', 'tour.rescheduled')
  ORDER BY entity_id, version DESC
) AS placed
LEFT JOIN (
  SELECT DISTINCT ON (entity_id) entity_id,
    coalesce(payload ->> 'assigned_agent_id', payload ->> 'agent_id') AS agent_id
  FROM crm_events
  WHERE event_type = 'tour.scheduled'
    OR (event_type = 'tour.amended' AND payload ? 'assigned_agent_id')
  ORDER BY entity_id, version DESC
) AS given USING (entity_id)
WHERE NOT EXISTS (
  SELECT FROM crm_events e WHERE e.entity_type = 'tour' AND e.entity_id = placed.entity_id
    AND e.event_type = 'tour.cancelled'
);
