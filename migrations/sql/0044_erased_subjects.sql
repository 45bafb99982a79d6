-- The data subjects that the log says are erased, written in the transaction of the append of the
-- erasure. Derivable from the log, as claims are.
CREATE TABLE crm.erased_subjects (
  subject_id uuid PRIMARY KEY,
  subject_type text NOT NULL,
  event_id uuid NOT NULL,
  erased_at timestamptz NOT NULL
);
REVOKE ALL ON crm.erased_subjects FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT ON crm.erased_subjects TO service_role;

-- After a downgrade the log can have erasures already.
INSERT INTO crm.erased_subjects (subject_id, subject_type, event_id, erased_at)
SELECT DISTINCT ON (subject.id) subject.id, subject.type, e.id, e.occurred_at
FROM crm_events e CROSS JOIN LATERAL (
  SELECT (e.payload ->> 'lead_id')::uuid AS id, 'lead' AS type
  UNION ALL SELECT value::uuid, 'session'
    FROM jsonb_array_elements_text(coalesce(e.payload -> 'session_ids', '[]'))
  UNION ALL SELECT value::uuid, 'conversation'
    FROM jsonb_array_elements_text(coalesce(e.payload -> 'conversation_ids', '[]'))) AS subject
WHERE e.event_type = 'lead.erased' ORDER BY subject.id, e.seq;
