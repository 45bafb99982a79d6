-- What is due next: one row for each live run, tour and delivery. Appends write it, and it can be
-- derived again from the log.
CREATE TABLE crm.timers (
  kind text NOT NULL CHECK (kind IN ('run', 'tour', 'delivery')),
  entity_id uuid NOT NULL,
  org_id uuid NOT NULL,
  property_id uuid NOT NULL,
  due_at timestamptz NOT NULL,
  -- The order of the claims. Never before the event that set the timer, so new timers come last.
  queue_at timestamptz NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  error text,
  PRIMARY KEY (kind, entity_id)
);
CREATE INDEX timers_queue ON crm.timers (kind, queue_at, entity_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.timers TO service_role;

-- One worker at a time works on the timers of a property, so that they keep their order. The key of
-- a row is a hash of kind and property.
CREATE TABLE crm.timer_locks (key int PRIMARY KEY);
INSERT INTO crm.timer_locks (key) SELECT generate_series(0, 4095);
GRANT SELECT, UPDATE ON crm.timer_locks TO service_role;
