-- Long work that operators ask for in the console. A worker claims a row with a lease, so that the
-- API does none of it. Who asked and why is the action with the same id.
CREATE TABLE crm.operator_requests (
  id uuid PRIMARY KEY REFERENCES crm.operator_actions (id),
  kind text NOT NULL CHECK (kind IN ('rebuild', 'verify', 'retry_parked', 'redrive')),
  parameters jsonb NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  status text NOT NULL DEFAULT 'waiting'
    CHECK (status IN ('waiting', 'running', 'done', 'failed')),
  worker text,
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  attempts smallint NOT NULL DEFAULT 0,
  stage text,
  done bigint NOT NULL DEFAULT 0,
  total bigint NOT NULL DEFAULT 0,
  result jsonb,
  error text,
  ended_at timestamptz
);
CREATE INDEX operator_requests_open ON crm.operator_requests (requested_at)
  WHERE status IN ('waiting', 'running');
CREATE INDEX operator_requests_newest ON crm.operator_requests (requested_at DESC);
REVOKE ALL ON crm.operator_requests FROM PUBLIC, anon, authenticated;
GRANT SELECT, INSERT, UPDATE ON crm.operator_requests TO service_role;
