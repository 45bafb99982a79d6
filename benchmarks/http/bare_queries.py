"""The statements of the bare API: each is one indexed read, or one INSERT."""

TABLE = "bench_events"
ASSUME_ROLE = "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)"
CREATE = f"""
    CREATE TABLE IF NOT EXISTS {TABLE} (LIKE crm_events INCLUDING ALL);
    GRANT SELECT, INSERT ON {TABLE} TO service_role
"""
INSERT = f"""
    INSERT INTO {TABLE} (id, entity_type, entity_id, version, shard, event_type, schema_version,
      org_id, property_id, lead_id, occurred_at, payload, digest, actor, origin)
    VALUES ($1, $2, $3, 1, 0, $4, 1, $5, $6, $7, now(), $8, '', $9, 'live')
"""
WIDGET = "SELECT org_id, property_id FROM crm_state.widget_keys WHERE key_hash = $1"
SCORE = """
    SELECT id, lead_id, total_score, engagement_score, timing_score, source_score,
      completeness_score, behavior_score, score_bucket, factors, scored_at, model_version
    FROM lead_scores WHERE lead_id = $1 ORDER BY revision DESC LIMIT 1
"""
LEADS = """
    SELECT leads.*, total_score FROM leads
    LEFT JOIN crm_state.lead_score_state ON lead_id = leads.id
    WHERE leads.property_id = $1 AND leads.merged_into IS NULL
    ORDER BY leads.created_at DESC, leads.id DESC LIMIT $2
"""
GROUPS = """
    SELECT status, count(*) AS leads FROM leads WHERE property_id = $1 AND merged_into IS NULL
    GROUP BY status
"""
_PARTS = {
    "activity": ("lead_activities", "created_at", ("type", "description", "metadata")),
    "engagement": ("lead_engagement_events", "created_at", ("event_type", "score_weight")),
    "score": ("lead_scores", "scored_at", ("total_score", "score_bucket", "factors")),
    "tour": ("tours", "created_at", ("tour_date", "tour_time", "status")),
    "delivery": ("deliveries", "changed_at", ("channel", "status", "reason")),
}
_MESSAGES = """
    (SELECT m.created_at AS at, 'message' AS kind, m.id, jsonb_build_object('role', m.role,
      'content', m.content) AS data
    FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE c.lead_id = $1
    ORDER BY m.created_at DESC LIMIT $2)
"""


def _part(kind: str, table: str, at: str, columns: tuple[str, ...]) -> str:
    pairs = ", ".join(f"'{name}', {name}" for name in columns)
    return (
        f"(SELECT {at} AS at, '{kind}' AS kind, id, jsonb_build_object({pairs}) AS data "
        f"FROM {table} WHERE lead_id = $1 ORDER BY {at} DESC LIMIT $2)"
    )


TIMELINE = (
    " UNION ALL ".join([_MESSAGES, *(_part(kind, *part) for kind, part in _PARTS.items())])
    + " ORDER BY at DESC LIMIT $2"
)
