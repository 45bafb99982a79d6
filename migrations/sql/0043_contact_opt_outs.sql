-- The newest decision of a contact about a channel, also if no lead has the contact. `contact` is a
-- hash, so the row has no personal data.
CREATE TABLE crm.contact_opt_outs (
  org_id uuid NOT NULL,
  channel text NOT NULL,
  contact text NOT NULL,
  given boolean NOT NULL,
  at timestamptz NOT NULL,
  source text,
  PRIMARY KEY (org_id, channel, contact)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.contact_opt_outs TO service_role;
