"""Does a database have the plan's schema, and its guards? Asked of PostgreSQL's own catalogs."""

from collections.abc import Mapping
from pathlib import Path

import asyncpg

import migrations
from migrations.scripts import statements

PLAN = Path(migrations.__file__).parent / "plan.sql"
SCRATCH = "crm_plan"
TABLES = (
    "lumaleasing_config", "widget_sessions", "tours", "workflow_definitions", "lead_workflows",
    "workflow_actions", "follow_up_templates", "lead_engagement_events", "lead_scores",
    "lead_activities",
)  # fmt: skip
"""The ten tables of the plan."""
ALTERED = {
    "leads": ("last_contacted_at", "updated_at"),
    "conversations": ("is_human_mode", "widget_session_id"),
}
"""What the plan adds to tables that were there before."""
DERIVED = (*TABLES, "leads", "conversations", "messages", "tour_slots", "lead_consents")
"""The tables only the engine writes."""

_ASKED = "WITH asked AS (SELECT $1::text AS schema, $2::text[] AS tables, $3::text[] AS columns)"
_COLUMNS = """
SELECT format('column %s.%s', c.relname, a.attname) AS key,
  format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
    || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') AS said
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r' AND a.attnum > 0
  AND NOT a.attisdropped AND (c.relname = ANY($2)
    OR format('%s.%s', c.relname, a.attname) = ANY($3))"""
_INDEXES = """
SELECT format('index %s', indexname) AS key, indexdef AS said
FROM pg_indexes WHERE schemaname = $1 AND tablename = ANY($2)
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname
    AND connamespace = $1::text::regnamespace AND contype IN ('p', 'u'))"""
_CONSTRAINTS = """
SELECT format('constraint on %s: %s', c.relname,
  replace(pg_get_constraintdef(k.oid), ' DEFERRABLE INITIALLY DEFERRED', '')) AS key, '' AS said
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.connamespace = $1::text::regnamespace AND k.contype IN ('p', 'u', 'f', 'c')
  AND (c.relname = ANY($2) OR EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum = ANY(k.conkey)
      AND format('%s.%s', c.relname, a.attname) = ANY($3)))"""
_POLICIES = """
SELECT format('policy "%s" on %s', policyname, tablename) AS key,
  format('as %s for %s to %s using %s with check %s',
    permissive, cmd, roles, coalesce(qual, '-'), coalesce(with_check, '-')) AS said
FROM pg_policies WHERE schemaname = $1 AND tablename = ANY($2)"""
_SECURED = """
SELECT format('row level security on %s', relname) AS key, 'enabled' AS said
FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relname = ANY($2)
  AND relrowsecurity"""
_FUNCTIONS = """
SELECT format('function %s(%s)', proname, pg_get_function_identity_arguments(oid)) AS key,
  'returns ' || pg_get_function_result(oid) AS said
FROM pg_proc WHERE pronamespace = $1::text::regnamespace AND proname = 'score_lead'"""

_UNGUARDED = """
SELECT format('row level security on %s is not forced', t) FROM unnest($1::text[]) AS t
WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.' || t)
  AND relrowsecurity AND relforcerowsecurity)
UNION ALL
SELECT format('%s may %s %s', role, privilege, t) FROM unnest($1::text[]) AS t,
  unnest(ARRAY['anon', 'authenticated']) AS role,
  unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
WHERE has_table_privilege(role, to_regclass('public.' || t), privilege)
UNION ALL
SELECT format('%s can be written past the engine: its trigger is missing or off', t)
FROM unnest($1::text[]) AS t
WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('public.' || t)
  AND tgname = 'crm_only_engine' AND tgenabled = 'A')
UNION ALL
SELECT format('%s lacks the policy that the claimed role is the real one', t)
FROM unnest($1::text[]) AS t
WHERE NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = to_regclass('public.' || t)
  AND NOT polpermissive)
ORDER BY 1"""


async def differences(conn: asyncpg.Connection) -> list[str]:
    """What the database lacks of the plan, or has otherwise, a line each; it is left as it was."""
    rolled_back = conn.transaction()
    await rolled_back.start()
    try:
        found = await _described(conn, "public", "public")
        await conn.execute(f"CREATE SCHEMA {SCRATCH}")
        await conn.execute(f"SET LOCAL search_path = {SCRATCH}, public, extensions")
        for statement in statements(PLAN.read_text()):
            await conn.execute(statement)
        wanted = await _described(conn, SCRATCH, f"{SCRATCH}, public")
    finally:
        await rolled_back.rollback()
    return [
        f"{key} is missing" if key not in found else f"{key} is {found[key]}, should be {said}"
        for key, said in sorted(wanted.items())
        if found.get(key) != said
    ]


async def unguarded(conn: asyncpg.Connection) -> list[str]:
    """Where derived tables lack what keeps others from writing or reading them, a line each."""
    rows = await conn.fetch(_UNGUARDED, list(DERIVED))
    return [row[0] for row in rows]


async def _described(conn: asyncpg.Connection, schema: str, path: str) -> Mapping[str, str]:
    """What the plan speaks of, as PostgreSQL spells it from within that schema."""
    await conn.execute(f"SET LOCAL search_path = {path}, extensions")
    altered = [f"{table}.{column}" for table, columns in ALTERED.items() for column in columns]
    found: dict[str, str] = {}
    for query in (_COLUMNS, _INDEXES, _CONSTRAINTS, _POLICIES, _SECURED, _FUNCTIONS):
        for row in await conn.fetch(_ASKED + query, schema, list(TABLES), altered):
            found[row["key"]] = row["said"].replace(f"{schema}.", "")
    return found
