-- What the door for producers refused or keeps waiting: operational, outside the log and rebuilds.
-- Records are kept byte for byte, so that they can be taken in again after a fix. Headers are
-- [[name, base64 or null], …] in the order they came.
CREATE TABLE crm.dead_letters (
  id uuid PRIMARY KEY,
  topic text NOT NULL,
  partition int NOT NULL,
  kafka_offset bigint NOT NULL,
  kafka_timestamp bigint NOT NULL,
  key bytea,
  value bytea,
  headers jsonb NOT NULL,
  ce_source text,
  ce_id text,
  event_type text,
  event_id uuid,
  org_id uuid,
  property_id uuid,
  reason text NOT NULL,
  detail text NOT NULL,
  attempts int NOT NULL DEFAULT 1,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'redriven', 'dropped')),
  first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  copied_at timestamptz
);
CREATE INDEX dead_letters_open ON crm.dead_letters (first_at) WHERE status = 'open';
CREATE INDEX dead_letters_uncopied ON crm.dead_letters (first_at) WHERE copied_at IS NULL;
CREATE INDEX dead_letters_property ON crm.dead_letters (property_id, first_at);

-- Records whose subject (a property, lead, session, conversation, tour) is not known yet. Those of
-- one subject are tried again in the order they came.
CREATE TABLE crm.intake_waiting (
  id uuid PRIMARY KEY,
  arrival bigint GENERATED ALWAYS AS IDENTITY,
  subject_id uuid NOT NULL,
  subject_type text NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL,
  kafka_offset bigint NOT NULL,
  kafka_timestamp bigint NOT NULL,
  key bytea,
  value bytea,
  headers jsonb NOT NULL,
  org_id uuid,
  property_id uuid,
  attempts int NOT NULL DEFAULT 1,
  first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
  next_try_at timestamptz NOT NULL,
  give_up_at timestamptz NOT NULL
);
CREATE INDEX intake_waiting_subject ON crm.intake_waiting (subject_id, arrival);
CREATE INDEX intake_waiting_due ON crm.intake_waiting (next_try_at);
