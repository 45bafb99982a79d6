DROP INDEX idx_leads_property_merged;
DROP INDEX idx_leads_property_widget;
DROP INDEX idx_tours_booked;
DROP INDEX idx_widget_sessions_leads;
DROP INDEX idx_conversations_newest;
CREATE INDEX idx_conversations_newest ON conversations (property_id, created_at);
DROP TABLE crm_state.response_times;
