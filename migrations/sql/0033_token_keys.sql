-- Keys of one more purpose: clients get consistency tokens encrypted.
ALTER TABLE crm.secret_keys DROP CONSTRAINT secret_keys_purpose_check;
ALTER TABLE crm.secret_keys ADD CONSTRAINT secret_keys_purpose_check CHECK (purpose IN (
  'record_digest', 'session_token', 'visitor_id', 'lead_reference', 'rate_limit', 'widget_key',
  'consistency_token'));

INSERT INTO crm.secret_keys (purpose, key)
VALUES ('consistency_token', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
