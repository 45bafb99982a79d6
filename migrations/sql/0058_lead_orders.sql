-- Each order of the list of leads reads a page from an index, also of a property with many leads.
-- Leads without a value are last in both directions, so whether there is one is a column by itself.
-- Texts of the host have no limit, and an entry of an index has one: 100 characters are compared.
CREATE INDEX idx_leads_property_first_name
  ON leads (property_id, (first_name IS NULL), lower(left(first_name, 100)), id)
  WHERE merged_into IS NULL AND org_id IS NOT NULL;
CREATE INDEX idx_leads_property_last_name
  ON leads (property_id, (last_name IS NULL), lower(left(last_name, 100)), id)
  WHERE merged_into IS NULL AND org_id IS NOT NULL;
CREATE INDEX idx_leads_property_source
  ON leads (property_id, (source IS NULL), lower(left(source, 100)), id)
  WHERE merged_into IS NULL AND org_id IS NOT NULL;
DROP INDEX idx_leads_property_standing;
CREATE INDEX idx_leads_property_standing ON leads (property_id, status, source, id)
  WHERE merged_into IS NULL AND org_id IS NOT NULL;
