-- Links with which people unsubscribe are signed by keys of their own.
ALTER TABLE crm.secret_keys DROP CONSTRAINT secret_keys_purpose_check;
ALTER TABLE crm.secret_keys ADD CONSTRAINT secret_keys_purpose_check CHECK (purpose IN (
  'record_digest', 'session_token', 'visitor_id', 'lead_reference', 'rate_limit', 'widget_key',
  'consistency_token', 'unsubscribe_link'));

INSERT INTO crm.secret_keys (purpose, key)
VALUES ('unsubscribe_link', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- The origin of the evidence, such as the provider's id of the SMS with which a person opted out.
ALTER TABLE lead_consents ADD COLUMN source text;

-- An opt-out acts on every lead of an organisation with the number or the address.
CREATE INDEX idx_leads_phone ON leads (phone) WHERE phone IS NOT NULL;
CREATE INDEX idx_leads_email ON leads (email) WHERE email IS NOT NULL;
