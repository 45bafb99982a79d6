-- A projector behind a transaction-mode pooler has no session whose end others could notice. It
-- renews a row instead.
CREATE TABLE crm.projector_leases (
  owner text PRIMARY KEY,
  expires_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.projector_leases TO service_role;
