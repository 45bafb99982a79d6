DROP INDEX idx_leads_property_standing;
CREATE INDEX idx_leads_property_standing ON leads (property_id, status, source)
  WHERE merged_into IS NULL AND org_id IS NOT NULL;
DROP INDEX idx_leads_property_source;
DROP INDEX idx_leads_property_last_name;
DROP INDEX idx_leads_property_first_name;
