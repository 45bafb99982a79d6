-- How far the pipeline was behind, every ten seconds of the last hours: the console shows the last
-- hour also if nobody looked. The timers process writes and removes the rows.
CREATE TABLE crm.pipeline_samples (
  -- The begin of the ten seconds: of two processes that look at the same time, one writes.
  sampled_at timestamptz PRIMARY KEY,
  position bigint NOT NULL,
  unpublished bigint NOT NULL,
  unnumbered int NOT NULL,
  -- Events since the row before, by who caused them.
  http_events int NOT NULL,
  intake_events int NOT NULL,
  other_events int NOT NULL,
  messages int NOT NULL,
  relay_seconds float8 NOT NULL,
  projection_events int NOT NULL,
  projection_seconds float8 NOT NULL,
  policy_events int NOT NULL,
  policy_seconds float8 NOT NULL,
  timers_due int NOT NULL,
  timers_seconds float8 NOT NULL,
  parked int NOT NULL,
  refused int NOT NULL,
  held int NOT NULL,
  -- Owners of work: `relay`, `live` and `policies` → their names.
  owners jsonb NOT NULL,
  database_started_at timestamptz NOT NULL
);
REVOKE ALL ON crm.pipeline_samples FROM PUBLIC, anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.pipeline_samples TO service_role;

-- Retention removes requests that ended long ago. Their actions are kept.
GRANT DELETE ON crm.operator_requests TO service_role;
