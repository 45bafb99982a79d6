DROP INDEX idx_tours_kept;
DROP INDEX idx_leads_property_standing;
CREATE INDEX idx_leads_property_standing ON leads (property_id, status, source, id)
  WHERE merged_into IS NULL AND org_id IS NOT NULL;
