-- What became of each intake record, for its producer: ids and codes only, no personal field.
-- Operational, outside of the log and of rebuilds; the topic of outcomes is a copy.
CREATE TABLE crm.intake_outcomes (
  id uuid PRIMARY KEY,
  topic text NOT NULL,
  partition int NOT NULL,
  kafka_offset bigint NOT NULL,
  ce_source text,
  ce_id text,
  event_type text,
  status text NOT NULL CHECK (status IN ('accepted', 'refused', 'waiting')),
  duplicate boolean NOT NULL DEFAULT false,
  reason text,
  event_id uuid,
  org_id uuid,
  property_id uuid,
  lead_id uuid,
  decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  copied_at timestamptz
);
CREATE INDEX intake_outcomes_uncopied ON crm.intake_outcomes (decided_at)
  WHERE copied_at IS NULL;
CREATE INDEX intake_outcomes_producer ON crm.intake_outcomes (org_id, ce_source, ce_id);
CREATE INDEX intake_outcomes_age ON crm.intake_outcomes (org_id, decided_at);

-- A record can wait for its turn (subject type `turn`), because its organisation sends many.
-- It waits without a limit of time, so give_up_at is null.
ALTER TABLE crm.intake_waiting ALTER COLUMN give_up_at DROP NOT NULL;
CREATE INDEX intake_waiting_turn ON crm.intake_waiting (subject_id) WHERE subject_type = 'turn';

REVOKE ALL ON crm.intake_outcomes FROM PUBLIC, anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.intake_outcomes TO service_role;
