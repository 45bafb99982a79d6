DROP TABLE crm.payload_reads;
DROP FUNCTION crm.refuse_change_of_reads();
DROP VIEW crm_api.key_events;
DROP FUNCTION crm_api.key_property_ids();
DELETE FROM crm.secret_keys WHERE purpose = 'api_key';
ALTER TABLE crm.secret_keys DROP CONSTRAINT secret_keys_purpose_check;
ALTER TABLE crm.secret_keys ADD CONSTRAINT secret_keys_purpose_check CHECK (purpose IN (
  'record_digest', 'session_token', 'visitor_id', 'lead_reference', 'rate_limit', 'widget_key',
  'consistency_token', 'unsubscribe_link'));
DROP TABLE api_keys;
