-- Secret keys of the core: random bytes, never derived from a setting. The newest key of a purpose
-- that is not retired signs; all that are not retired are accepted.
CREATE TABLE crm.secret_keys (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  purpose text NOT NULL
    CHECK (purpose IN ('record_digest', 'session_token', 'visitor_id', 'lead_reference')),
  key bytea NOT NULL CHECK (length(key) = 32),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  retired_at timestamptz
);
CREATE INDEX secret_keys_purpose ON crm.secret_keys (purpose, created_at);

-- Two random UUIDs have 244 random bits; pgcrypto is not needed.
INSERT INTO crm.secret_keys (purpose, key)
SELECT purpose, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
FROM unnest(ARRAY['record_digest', 'session_token', 'visitor_id', 'lead_reference']) AS purpose;

-- A key is never changed or deleted by a worker: it is added, and retired.
REVOKE ALL ON crm.secret_keys FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE (retired_at) ON crm.secret_keys TO service_role;
