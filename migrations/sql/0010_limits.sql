-- Counters of requests, and what the widget's configuration keeps besides the columns of the plan:
-- which key its hash is of, and how many changes there were.
CREATE UNLOGGED TABLE crm.rate_limits (
  key text PRIMARY KEY,
  hits int NOT NULL,
  ends_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX rate_limits_ends ON crm.rate_limits (ends_at);
ALTER TABLE lumaleasing_config ADD COLUMN key_id uuid;
ALTER TABLE lumaleasing_config ADD COLUMN version int DEFAULT 0;
