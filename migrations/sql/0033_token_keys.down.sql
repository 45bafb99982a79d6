DELETE FROM crm.secret_keys WHERE purpose = 'consistency_token';
ALTER TABLE crm.secret_keys DROP CONSTRAINT secret_keys_purpose_check;
ALTER TABLE crm.secret_keys ADD CONSTRAINT secret_keys_purpose_check CHECK (purpose IN (
  'record_digest', 'session_token', 'visitor_id', 'lead_reference', 'rate_limit', 'widget_key'));
