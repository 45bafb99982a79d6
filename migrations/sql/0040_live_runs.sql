-- The runs that have not ended, by definition. Appends write it, and it can be derived again from
-- the log. A move of a definition reads it instead of the history of the property.
CREATE TABLE crm.live_runs (
  run_id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  definition_id uuid NOT NULL,
  definition_version int NOT NULL,
  enrolled_at timestamptz NOT NULL
);
CREATE INDEX live_runs_of_definition ON crm.live_runs (definition_id, definition_version);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.live_runs TO service_role;

INSERT INTO crm.live_runs
SELECT run.entity_id, run.property_id, (run.payload ->> 'definition_id')::uuid,
  coalesce(
    (SELECT (moved.payload ->> 'definition_version')::int FROM crm_events moved
     WHERE moved.entity_type = 'run' AND moved.entity_id = run.entity_id
       AND moved.event_type = 'run.moved' ORDER BY moved.version DESC LIMIT 1),
    (run.payload ->> 'definition_version')::int
  ),
  run.occurred_at
FROM crm_events run
WHERE run.event_type = 'run.enrolled'
  AND NOT EXISTS (
    SELECT FROM crm_events ended WHERE ended.entity_type = 'run'
      AND ended.entity_id = run.entity_id
      AND ended.event_type IN ('run.stopped', 'run.converted', 'run.completed')
  );
