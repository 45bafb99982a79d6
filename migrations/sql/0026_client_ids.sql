-- Ids that a client sent and that are stored under another id, because another property has them.
-- A response names the entity by the client's own id.
CREATE TABLE crm.client_ids (
  entity_id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  client_id uuid NOT NULL
);
