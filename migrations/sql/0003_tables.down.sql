DROP TRIGGER crm_only_engine ON leads;
DROP TRIGGER crm_only_engine ON conversations;
DROP TRIGGER crm_only_engine ON messages;
DROP TABLE crm_state.lead_score_state, crm_state.widget_keys, lead_activities, lead_scores, lead_engagement_events, tours;
ALTER TABLE messages DROP COLUMN org_id, DROP COLUMN property_id, DROP COLUMN author,
  DROP COLUMN human_agent_id;
ALTER TABLE conversations DROP COLUMN is_human_mode, DROP COLUMN widget_session_id,
  DROP COLUMN org_id, DROP COLUMN human_agent_id, DROP COLUMN human_started_at,
  DROP COLUMN human_ended_at, DROP COLUMN takeover_epoch, DROP COLUMN waiting_for_human,
  DROP COLUMN message_count;
DROP TABLE widget_sessions;
ALTER TABLE leads DROP COLUMN last_contacted_at, DROP COLUMN updated_at, DROP COLUMN org_id,
  DROP COLUMN move_in_date, DROP COLUMN bedrooms, DROP COLUMN notes, DROP COLUMN external_id;
DROP FUNCTION crm.refuse_direct_write();
