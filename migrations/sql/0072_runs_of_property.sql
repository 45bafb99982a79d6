-- Count and list the runs of a property: by workflow, version, state and step, and newest first.
CREATE INDEX idx_lead_workflows_property ON lead_workflows
  (property_id, workflow_id, status, definition_version, current_step);
CREATE INDEX idx_lead_workflows_newest ON lead_workflows (property_id, created_at, id);
