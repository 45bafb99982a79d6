-- The funnel of a property counts leads by source, status and instant, from the index alone.
DROP INDEX idx_leads_property_standing;
CREATE INDEX idx_leads_property_standing ON leads (property_id, status, source, id)
  INCLUDE (created_at) WHERE merged_into IS NULL AND org_id IS NOT NULL;
-- It finds out which leads have a tour, in the order of the leads.
CREATE INDEX idx_tours_kept ON tours (property_id, lead_id) WHERE status <> 'cancelled';
