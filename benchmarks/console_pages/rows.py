"""Rows beside those of `crowd`, written directly into the tables: runs, messages, tasks, tours."""

from uuid import UUID

from events.log.connection import Connection

FUTURE_TOURS, TOURS_PER_DAY = 600, 40
IN_PERSON = 120
"""The newest conversations of the property, in which a person is in charge or is asked for."""
CALLED = 2_500
"""The leads with the highest scores that somebody has called yesterday."""
TABLES = (
    "leads", "tours", "conversations", "lead_tasks", "lead_consents", "workflow_definitions",
    "lead_workflows", "workflow_actions", "deliveries",
)  # fmt: skip
_NUMBER = "('x' || right(replace(id::text, '-', ''), 8))::bit(32)::bigint"
"""The number of a lead of `crowd`, from its id."""
_CHOSEN = "(n % 20 = 0 OR n % 10 = 1)"
"""Half of the leads of the large property, and every ninth one of the others."""


async def insert_rows(conn: Connection, property_id: UUID) -> None:
    """Insert the rows; needs a superuser, and the leads of `crowd`."""
    async with conn.transaction():
        await conn.execute(
            "SET LOCAL crm.engine = 'on'; SET LOCAL session_replication_role = 'replica'; "
            "SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = 0"
        )
        await conn.execute(_CHOSEN_LEADS)
        for statement in _FOR_ALL:
            await conn.execute(statement)
        for statement, *values in _FOR_PROPERTY:
            await conn.execute(statement, property_id, *values)
    for table in TABLES:
        await conn.execute(f"VACUUM (ANALYZE) {table}")


_CHOSEN_LEADS = f"""
    CREATE TEMP TABLE chosen ON COMMIT DROP AS
    SELECT * FROM (SELECT id, org_id, property_id, created_at AS at, {_NUMBER} AS n,
      md5('definition' || property_id)::uuid AS definition, md5('run' || id)::uuid AS run
      FROM leads WHERE merged_into IS NULL) AS numbered WHERE {_CHOSEN}
"""
_FOR_ALL = (
    """
    INSERT INTO workflow_definitions (id, org_id, property_id, name, trigger_on, steps)
    SELECT DISTINCT ON (definition) definition, org_id, property_id, 'Follow-up', 'lead_created',
      '[{"id": "a", "delay_hours": 1, "action": "email", "template_slug": "hello"},
        {"id": "b", "delay_hours": 24, "action": "sms", "template_slug": "again"}]'::jsonb
    FROM chosen
    """,
    """
    INSERT INTO lead_workflows (id, lead_id, workflow_id, org_id, property_id, current_step,
      status, created_at, updated_at, definition_version, trigger, reentry_key, next_action_at)
    SELECT run, id, definition, org_id, property_id, 1,
      CASE WHEN n % 200 = 0 THEN 'active' ELSE 'completed' END, at, at + interval '1 day', 1,
      'lead_created', '1', CASE WHEN n % 200 = 0 THEN now() + interval '1 day' END FROM chosen
    """,
    """
    INSERT INTO workflow_actions (id, lead_workflow_id, step_number, action_type, status,
      executed_at, org_id, property_id, lead_id, step_id)
    SELECT gen_random_uuid(), run, k, 'email', 'planned', at + k * interval '1 day', org_id,
      property_id, id, 'a' FROM chosen, generate_series(0, 1) AS k
    """,
    """
    INSERT INTO deliveries (id, org_id, property_id, lead_id, channel, purpose, message_class,
      status, reason, rule_values, recipient, subject, due_at, attempt, provider, is_simulated,
      run_id, step_number, planned_at, handed_over_at, changed_at)
    SELECT gen_random_uuid(), org_id, property_id, id, 'email', 'workflow', 'marketing',
      state, CASE state WHEN 'skipped' THEN 'frequency_cap' WHEN 'held' THEN 'quiet_hours' END,
      CASE state WHEN 'skipped' THEN '{"sent": 3, "limit": 3}'::jsonb END,
      'lead@example.com', 'Your new home',
      CASE WHEN state IN ('planned', 'held') THEN now() + interval '1 day' ELSE sent END, 1,
      'simulated', true, run, k, sent, CASE WHEN state = 'handed_over' THEN sent END, sent
    FROM chosen, generate_series(0, 1) AS k, LATERAL (SELECT at + k * interval '1 day' AS sent,
      CASE WHEN n % 200 = 0 AND k = 1 THEN 'planned' WHEN n % 200 = 20 AND k = 1 THEN 'held'
        WHEN n % 7 = 0 THEN 'skipped' ELSE 'handed_over' END AS state) AS _
    """,
    """
    INSERT INTO lead_tasks (id, org_id, property_id, lead_id, title, status, due_at, created_at,
      updated_at, done_at)
    SELECT gen_random_uuid(), org_id, property_id, id, 'Call back in the evening',
      CASE WHEN n % 200 = 0 THEN 'open' ELSE 'done' END, at + interval '2 days', at, at,
      CASE WHEN n % 200 <> 0 THEN at + interval '1 day' END FROM chosen
    """,
    """
    INSERT INTO lead_consents (id, org_id, property_id, lead_id, channel, status, version, place,
      said_at, created_at)
    SELECT gen_random_uuid(), org_id, property_id, id, channel, 'given', 1, 'widget', at, at
    FROM chosen, unnest('{email,sms}'::text[]) AS channel
    """,
    """
    UPDATE messages SET content = 'Is the two-bedroom on the third floor still available from May?'
    WHERE position % 200 = 0
    """,
)
_FOR_PROPERTY = (
    (
        """
        INSERT INTO tours (id, lead_id, org_id, property_id, tour_date, tour_time, status,
          created_at, updated_at, starts_at, time_zone, duration_minutes)
        SELECT gen_random_uuid(), id, org_id, property_id,
          (starts AT TIME ZONE 'America/New_York')::date,
          (starts AT TIME ZONE 'America/New_York')::time,
          CASE k % 3 WHEN 0 THEN 'confirmed' ELSE 'scheduled' END, at, at, starts,
          'America/New_York', 30
        FROM (SELECT *, row_number() OVER (ORDER BY id DESC) AS k FROM chosen
          WHERE property_id = $1 ORDER BY id DESC LIMIT $2) AS newest,
          LATERAL (SELECT date_trunc('day', now()) + interval '14 h'
            + (k / $3) * interval '1 day' + (k % 16) * interval '30 min' AS starts) AS _
        """,
        FUTURE_TOURS,
        TOURS_PER_DAY,
    ),
    (
        """
        UPDATE conversations SET waiting_for_human = k % 3 = 0, is_human_mode = k % 3 <> 0
        FROM (SELECT id AS newest, row_number() OVER (ORDER BY created_at DESC) AS k
          FROM conversations WHERE property_id = $1 ORDER BY created_at DESC LIMIT $2) AS _
        WHERE id = newest
        """,
        IN_PERSON,
    ),
    (
        """
        UPDATE leads SET last_contacted_at = now() - interval '1 day' FROM (
          SELECT lead_id FROM crm_state.lead_score_state WHERE property_id = $1
          AND total_score IS NOT NULL ORDER BY total_score DESC, lead_id DESC LIMIT $2) AS called
        WHERE id = lead_id
        """,
        CALLED,
    ),
)
