-- Messages in the order in which they become visible, and chats found by session and by time.
ALTER TABLE messages ADD COLUMN IF NOT EXISTS position bigint;
CREATE INDEX idx_messages_property ON messages(property_id, created_at);
CREATE INDEX idx_conversations_newest ON conversations(property_id, created_at);
CREATE INDEX idx_conversations_session ON conversations(widget_session_id);
CREATE INDEX idx_widget_sessions_newest ON widget_sessions(property_id, created_at);

-- The plan's policies ask something for every row; these let the same rows pass at once. PostgreSQL
-- asks policies in the reverse order of their names.
CREATE POLICY "Whoever is a member reads their org widget sessions" ON widget_sessions
  FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));
CREATE POLICY "Whoever is a member reads their org tours" ON tours
  FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));
