-- Hashes of personal texts are keyed, with a key that no migration has: `crm db migrate` and each
-- process that starts key those from before. These indexes are empty afterwards.
CREATE INDEX claims_unkeyed ON crm.claims (value)
  WHERE kind IN ('lead.email', 'lead.phone', 'lead.external_id') AND length(value) = 40;
CREATE INDEX contact_opt_outs_unkeyed ON crm.contact_opt_outs (contact) WHERE length(contact) = 40;
