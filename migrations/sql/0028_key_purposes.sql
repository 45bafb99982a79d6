-- Keys of two more purposes: what rate limits count is stored under a keyed hash, and a repeated
-- request derives the same widget key again.
ALTER TABLE crm.secret_keys DROP CONSTRAINT secret_keys_purpose_check;
ALTER TABLE crm.secret_keys ADD CONSTRAINT secret_keys_purpose_check CHECK (purpose IN (
  'record_digest', 'session_token', 'visitor_id', 'lead_reference', 'rate_limit', 'widget_key'));

INSERT INTO crm.secret_keys (purpose, key)
SELECT purpose, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
FROM unnest(ARRAY['rate_limit', 'widget_key']) AS purpose;
