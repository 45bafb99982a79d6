-- How long the visitors of each conversation waited for replies, filled as the projector does it.
CREATE TABLE crm_state.response_times (
  conversation_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  property_id uuid NOT NULL,
  is_of_widget boolean NOT NULL,
  is_in_order boolean NOT NULL,
  first_at timestamptz,
  last_at timestamptz,
  answered int NOT NULL,
  answered_microseconds bigint NOT NULL,
  waiting int NOT NULL,
  waiting_microseconds bigint NOT NULL
);
INSERT INTO crm_state.response_times
WITH ordered AS (
  SELECT conversation_id, role, created_at AS at, position,
    min(position) FILTER (WHERE role = 'user') OVER conversation AS first_position
  FROM messages
  WHERE org_id IS NOT NULL AND position IS NOT NULL AND role IN ('user', 'assistant')
  WINDOW conversation AS (PARTITION BY conversation_id)
), answers AS (
  SELECT conversation_id, role, at, min(at) OVER (PARTITION BY conversation_id) AS first_at,
    role = 'assistant' AND at < max(at) OVER (earlier ROWS BETWEEN UNBOUNDED PRECEDING
      AND 1 PRECEDING) AS is_early,
    min(at) FILTER (WHERE role = 'assistant') OVER (earlier ROWS BETWEEN 1 FOLLOWING
      AND UNBOUNDED FOLLOWING) AS replied_at
  FROM ordered WHERE position >= first_position
  WINDOW earlier AS (PARTITION BY conversation_id ORDER BY position)
), sums AS (
  SELECT conversation_id, coalesce(bool_or(is_early), false) AS is_early,
    min(at) AS first_at, max(at) AS last_at,
    count(replied_at) FILTER (WHERE role = 'user') AS answered,
    sum(replied_at - at) FILTER (WHERE role = 'user') AS answered_time,
    count(*) FILTER (WHERE role = 'user' AND replied_at IS NULL) AS waiting,
    sum(at - first_at) FILTER (WHERE role = 'user' AND replied_at IS NULL) AS waiting_time
  FROM answers GROUP BY conversation_id
)
SELECT c.id, c.org_id, c.property_id, c.channel IN ('widget', 'chat'), is_in_order,
  CASE WHEN is_in_order THEN first_at END, CASE WHEN is_in_order THEN last_at END,
  coalesce(CASE WHEN is_in_order THEN answered END, 0),
  coalesce(CASE WHEN is_in_order THEN extract(epoch FROM answered_time) * 1000000 END, 0),
  coalesce(CASE WHEN is_in_order THEN waiting END, 0),
  coalesce(CASE WHEN is_in_order THEN extract(epoch FROM waiting_time) * 1000000 END, 0)
FROM conversations c LEFT JOIN sums ON sums.conversation_id = c.id,
  LATERAL (SELECT NOT coalesce(sums.is_early, false) AND NOT EXISTS (
    SELECT FROM crm_events e WHERE e.entity_type = 'conversation' AND e.entity_id = c.id
      AND e.event_type = 'conversation.message_adopted' AND e.payload -> 'edited' = 'true')
    AS is_in_order) AS _
WHERE c.org_id IS NOT NULL;
CREATE INDEX response_times_property ON crm_state.response_times (property_id);
CREATE INDEX response_times_not_in_order ON crm_state.response_times (property_id)
  WHERE NOT is_in_order;
CALL crm.guard_table('crm_state.response_times', 'POST /api/conversations/{id}/messages');
CREATE POLICY "Members read the response times of their property" ON crm_state.response_times
  FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));
-- Statistics of a widget read only these indexes; those of leads have them in order.
DROP INDEX idx_conversations_newest;
CREATE INDEX idx_conversations_newest ON conversations (property_id, created_at) INCLUDE (channel);
CREATE INDEX idx_widget_sessions_leads ON widget_sessions (property_id, lead_id, created_at)
  WHERE lead_id IS NOT NULL;
CREATE INDEX idx_tours_booked ON tours (property_id, lead_id, created_at)
  WHERE created_by IS NULL;
CREATE INDEX idx_leads_property_widget ON leads (property_id, id, created_at)
  WHERE source IN ('LumaLeasing Widget', 'LumaLeasing Tour Booking');
CREATE INDEX idx_leads_property_merged ON leads (property_id) INCLUDE (id, merged_into)
  WHERE merged_into IS NOT NULL;
