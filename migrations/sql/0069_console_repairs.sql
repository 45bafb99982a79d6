-- A dead letter that an operator has edited is replaced by a new record. Requests can be cancelled,
-- and one kind of them only shows what a redrive would change.
ALTER TABLE crm.dead_letters ADD COLUMN replaced_by uuid;
ALTER TABLE crm.dead_letters DROP CONSTRAINT dead_letters_status_check;
ALTER TABLE crm.dead_letters ADD CONSTRAINT dead_letters_status_check
  CHECK (status IN ('open', 'redriven', 'dropped', 'replaced')) NOT VALID;
ALTER TABLE crm.dead_letters VALIDATE CONSTRAINT dead_letters_status_check;

ALTER TABLE crm.operator_requests
  ADD COLUMN stage_at timestamptz,
  ADD COLUMN is_cancelled boolean NOT NULL DEFAULT false;
ALTER TABLE crm.operator_requests DROP CONSTRAINT operator_requests_kind_check;
ALTER TABLE crm.operator_requests ADD CONSTRAINT operator_requests_kind_check
  CHECK (kind IN ('rebuild', 'verify', 'retry_parked', 'redrive', 'preview_redrive'));
ALTER TABLE crm.operator_requests DROP CONSTRAINT operator_requests_status_check;
ALTER TABLE crm.operator_requests ADD CONSTRAINT operator_requests_status_check
  CHECK (status IN ('waiting', 'running', 'done', 'failed', 'cancelled'));
