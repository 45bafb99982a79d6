-- Checkpoints, what is parked, and which versions of projections the live tables hold.
CREATE TABLE crm.checkpoints (
  unit text NOT NULL,
  shard smallint NOT NULL,
  version text NOT NULL,
  generation int NOT NULL,
  position bigint NOT NULL DEFAULT 0,
  owner_epoch bigint NOT NULL DEFAULT 0,
  owner text,
  moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (unit, shard)
) WITH (fillfactor = 40);

CREATE TABLE crm.parked (
  unit text NOT NULL,
  event_id uuid NOT NULL,
  shard smallint NOT NULL,
  position bigint NOT NULL,
  touches uuid[] NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  behind boolean NOT NULL,
  attempts int NOT NULL DEFAULT 1,
  parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (unit, event_id)
);
CREATE INDEX parked_order ON crm.parked (unit, shard, position);

CREATE TABLE crm.projections (
  name text PRIMARY KEY,
  version int NOT NULL,
  rebuilt_at timestamptz
);
