-- A visitor id cannot be made from its hash. The events get the version that the older code reads,
-- with the hash as the visitor id: it then knows no visitor of before.
DROP POLICY "Visitors read their own sessions" ON widget_sessions;
CREATE POLICY "Visitors read their own sessions" ON widget_sessions FOR SELECT TO anon
  USING (property_id = (SELECT crm_api.claim_uuid('property_id'))
    AND (visitor_id IS NULL OR visitor_id = (SELECT crm_api.claim('visitor_id'))));

ALTER TABLE crm_events DISABLE TRIGGER crm_events_numbered_once;
UPDATE crm_events SET schema_version = 1, digest = '', payload = payload - 'visitor_hash'
  || CASE WHEN payload ->> 'visitor_hash' IS NULL THEN '{}'::jsonb
     ELSE jsonb_build_object('visitor_id', payload ->> 'visitor_hash') END
WHERE event_type = 'session.started' AND schema_version = 2;
ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_numbered_once;
