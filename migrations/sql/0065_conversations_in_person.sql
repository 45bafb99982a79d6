-- The page of today finds the conversations that wait for a person among all of a property.
CREATE INDEX idx_conversations_in_person ON conversations (property_id, created_at)
  WHERE waiting_for_human OR is_human_mode;
