-- Table of the projection erased_subjects, derived from lead.erased. Only the core reads it.
CREATE TABLE crm_state.erased_subjects (
  subject_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  property_id uuid NOT NULL,
  shard smallint NOT NULL,
  lead_id uuid NOT NULL,
  event_id uuid NOT NULL,
  erased_at timestamptz NOT NULL
);
CREATE INDEX erased_subjects_shard ON crm_state.erased_subjects (shard);
CREATE INDEX erased_subjects_lead ON crm_state.erased_subjects (lead_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm_state.erased_subjects TO service_role;
CREATE TRIGGER crm_only_engine BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
  ON crm_state.erased_subjects
  FOR EACH STATEMENT WHEN (current_setting('crm.engine', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION crm.refuse_direct_write();
ALTER TABLE crm_state.erased_subjects ENABLE ALWAYS TRIGGER crm_only_engine;

-- An erasure finds the steps of a lead's runs.
CREATE INDEX idx_workflow_actions_lead ON workflow_actions (lead_id);
