-- The last position when the generation began. Policies react to later events only.
ALTER TABLE crm.log ADD COLUMN generation_from bigint NOT NULL DEFAULT 0;

-- What a policy could not do because of an event: tried again at next_attempt_at, given up if null.
CREATE TABLE crm.policy_failures (
  policy text NOT NULL,
  event_id uuid NOT NULL,
  org_id uuid NOT NULL,
  property_id uuid NOT NULL,
  lead_id uuid,
  reason text NOT NULL,
  detail text NOT NULL,
  attempts int NOT NULL DEFAULT 1,
  first_failed_at timestamptz NOT NULL,
  failed_at timestamptz NOT NULL,
  next_attempt_at timestamptz,
  PRIMARY KEY (policy, event_id)
);
CREATE INDEX policy_failures_next ON crm.policy_failures (next_attempt_at)
  WHERE next_attempt_at IS NOT NULL;
CREATE INDEX policy_failures_lead ON crm.policy_failures (lead_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.policy_failures TO service_role;

-- Policies look up the definitions that were ever active in a property. There are few.
CREATE INDEX crm_events_activations ON crm_events (property_id)
  WHERE event_type = 'workflow.activated';
