-- Tickets for event streams: an address that a browser or a proxy logs contains no key and no token.
-- A crash of the database loses the tickets; clients request new ones.
CREATE UNLOGGED TABLE crm.stream_tickets (
  ticket_hash bytea PRIMARY KEY CHECK (length(ticket_hash) = 32),
  property_id uuid NOT NULL,
  session_id uuid NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX stream_tickets_expiry ON crm.stream_tickets (expires_at);
REVOKE ALL ON crm.stream_tickets FROM PUBLIC, anon, authenticated;
GRANT SELECT, INSERT, DELETE ON crm.stream_tickets TO service_role;
