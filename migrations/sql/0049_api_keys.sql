-- Table of the projection api_keys, derived from apikey.issued and apikey.revoked.
CREATE TABLE api_keys (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  org_id UUID,
  label TEXT NOT NULL,
  scopes TEXT[] NOT NULL,
  property_ids TEXT[] NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE,
  issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
  issued_by TEXT,
  issue_reason TEXT NOT NULL,
  revoked_at TIMESTAMP WITH TIME ZONE,
  revoked_by TEXT,
  revoke_reason TEXT,
  PRIMARY KEY (id)
);
CREATE INDEX idx_api_keys_org ON api_keys (org_id);
CREATE POLICY "Members read their org api keys" ON api_keys FOR SELECT TO authenticated
  USING (org_id = (SELECT crm_api.org_id()));
CALL crm.guard_table('api_keys', 'POST /api/api-keys');

-- A repeated request derives the same API key again.
ALTER TABLE crm.secret_keys DROP CONSTRAINT secret_keys_purpose_check;
ALTER TABLE crm.secret_keys ADD CONSTRAINT secret_keys_purpose_check CHECK (purpose IN (
  'record_digest', 'session_token', 'visitor_id', 'lead_reference', 'rate_limit', 'widget_key',
  'consistency_token', 'unsubscribe_link', 'api_key'));
INSERT INTO crm.secret_keys (purpose, key)
VALUES ('api_key', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- The properties that the API key of the caller opens. A malformed claim opens none.
CREATE FUNCTION crm_api.key_property_ids() RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN string_to_array(crm_api.claim('api_key_property_ids'), ',')::uuid[];
EXCEPTION WHEN data_exception THEN
  RETURN '{}';
END $$;

-- The events that the API key of the caller opens, by the claims that the API sets from the key.
-- No client role has a privilege on the log itself. So the view reads it with the rights of its
-- owner, and is itself the row level security: of the key's organisation, and of its properties.
CREATE VIEW crm_api.key_events WITH (security_barrier) AS
SELECT id, event_type, schema_version, payload, entity_type, entity_id, version, shard, position,
  previous, org_id, property_id, lead_id, occurred_at, recorded_at, actor, origin, correlation_id,
  causation_id
FROM public.crm_events
WHERE position IS NOT NULL
  AND (SELECT auth.role() = current_user::text)
  AND org_id = (SELECT crm_api.claim_uuid('api_key_org_id'))
  AND ((SELECT crm_api.claim('api_key_property_ids') = 'all')
    OR property_id = ANY ((SELECT crm_api.key_property_ids())::uuid[]));
REVOKE ALL ON crm_api.key_events FROM PUBLIC, anon;
GRANT SELECT ON crm_api.key_events TO authenticated;

-- Who read which personal values of the log: written before they are sent, and never changed.
CREATE TABLE crm.payload_reads (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  org_id uuid NOT NULL,
  reader text NOT NULL,
  event_ids uuid[] NOT NULL CHECK (cardinality(event_ids) > 0)
);
CREATE INDEX payload_reads_org ON crm.payload_reads (org_id, id);
CREATE FUNCTION crm.refuse_change_of_reads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'crm.payload_reads is append-only: % refused', lower(TG_OP)
    USING HINT = 'The accounts of reads are evidence: keep them.', ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER payload_reads_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE
  ON crm.payload_reads FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_change_of_reads();
ALTER TABLE crm.payload_reads ENABLE ALWAYS TRIGGER payload_reads_never_changed;
REVOKE ALL ON crm.payload_reads FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT ON crm.payload_reads TO service_role;
