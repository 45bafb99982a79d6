DROP TABLE lead_tasks;
DELETE FROM crm.timers WHERE kind = 'task';
ALTER TABLE crm.timers DROP CONSTRAINT timers_kind_check;
ALTER TABLE crm.timers ADD CONSTRAINT timers_kind_check
  CHECK (kind IN ('run', 'tour', 'delivery'));
ALTER TABLE workflow_actions DROP COLUMN choice, DROP COLUMN task_id;
ALTER TABLE lead_workflows
  DROP COLUMN stop_code, DROP COLUMN waits_for, DROP COLUMN tour_id, DROP COLUMN enrolled_by;
ALTER TABLE workflow_definitions
  DROP COLUMN exit_events, DROP COLUMN reentry, DROP COLUMN min_interval_hours,
  DROP COLUMN max_age_hours;
