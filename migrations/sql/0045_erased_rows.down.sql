DROP INDEX idx_workflow_actions_lead;
DROP TABLE crm_state.erased_subjects;
