DELETE FROM crm.operator_requests WHERE status = 'cancelled' OR kind = 'preview_redrive';
ALTER TABLE crm.operator_requests DROP CONSTRAINT operator_requests_status_check;
ALTER TABLE crm.operator_requests ADD CONSTRAINT operator_requests_status_check
  CHECK (status IN ('waiting', 'running', 'done', 'failed'));
ALTER TABLE crm.operator_requests DROP CONSTRAINT operator_requests_kind_check;
ALTER TABLE crm.operator_requests ADD CONSTRAINT operator_requests_kind_check
  CHECK (kind IN ('rebuild', 'verify', 'retry_parked', 'redrive'));
ALTER TABLE crm.operator_requests DROP COLUMN is_cancelled, DROP COLUMN stage_at;

UPDATE crm.dead_letters SET status = 'dropped' WHERE status = 'replaced';
ALTER TABLE crm.dead_letters DROP CONSTRAINT dead_letters_status_check;
ALTER TABLE crm.dead_letters ADD CONSTRAINT dead_letters_status_check
  CHECK (status IN ('open', 'redriven', 'dropped')) NOT VALID;
ALTER TABLE crm.dead_letters VALIDATE CONSTRAINT dead_letters_status_check;
ALTER TABLE crm.dead_letters DROP COLUMN replaced_by;
