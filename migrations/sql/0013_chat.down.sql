DROP POLICY "Whoever is a member reads their org tours" ON tours;
DROP POLICY "Whoever is a member reads their org widget sessions" ON widget_sessions;
DROP INDEX idx_widget_sessions_newest;
DROP INDEX idx_conversations_session;
DROP INDEX idx_conversations_newest;
DROP INDEX idx_messages_property;
ALTER TABLE messages DROP COLUMN position;
