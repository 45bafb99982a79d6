"""Comparison of a database with the plan's schema, read from PostgreSQL's own catalogs."""

import re
from collections.abc import Mapping
from pathlib import Path

import asyncpg

import migrations
from migrations.scripts import statements

PLAN = Path(migrations.__file__).parent / "plan.sql"
SCRATCH_SCHEMA = "crm_plan"

_SECURED_TABLE = re.compile(r"^ALTER TABLE (\w+) ENABLE ROW LEVEL SECURITY", re.MULTILINE)
_ADDED_COLUMN = re.compile(r"^ALTER TABLE (\w+) ADD COLUMN (\w+)", re.MULTILINE)

PLAN_TABLES = tuple(_SECURED_TABLE.findall(PLAN.read_text(encoding="utf-8")))
"""The tables that the plan adds; the plan secures every one of them and no other."""
PLAN_COLUMNS = tuple(
    f"{table}.{column}" for table, column in _ADDED_COLUMN.findall(PLAN.read_text(encoding="utf-8"))
)
"""The columns that the plan adds to tables that existed before, as `table.column`."""

_PARAMETERS = (
    "WITH parameters AS (SELECT $1::text AS schema, $2::text[] AS tables, $3::text[] AS columns)"
)
_COLUMNS = """
SELECT format('column %s.%s', c.relname, a.attname) AS key,
  format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
    || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') AS definition
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r' AND a.attnum > 0
  AND NOT a.attisdropped AND (c.relname = ANY($2)
    OR format('%s.%s', c.relname, a.attname) = ANY($3))"""
_INDEXES = """
SELECT format('index %s', indexname) AS key, indexdef AS definition
FROM pg_indexes WHERE schemaname = $1 AND tablename = ANY($2)
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname
    AND connamespace = $1::text::regnamespace AND contype IN ('p', 'u'))"""
_CONSTRAINTS = """
SELECT format('constraint on %s: %s', c.relname,
  replace(pg_get_constraintdef(k.oid), ' DEFERRABLE INITIALLY DEFERRED', '')) AS key,
  '' AS definition
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.connamespace = $1::text::regnamespace AND k.contype IN ('p', 'u', 'f', 'c')
  AND (c.relname = ANY($2) OR EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum = ANY(k.conkey)
      AND format('%s.%s', c.relname, a.attname) = ANY($3)))"""
_POLICIES = """
SELECT format('policy "%s" on %s', policyname, tablename) AS key,
  format('as %s for %s to %s using %s with check %s',
    permissive, cmd, roles, coalesce(qual, '-'), coalesce(with_check, '-')) AS definition
FROM pg_policies WHERE schemaname = $1 AND tablename = ANY($2)"""
_ROW_SECURITY = """
SELECT format('row level security on %s', relname) AS key, 'enabled' AS definition
FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relname = ANY($2)
  AND relrowsecurity"""
_FUNCTIONS = """
SELECT format('function %s(%s)', proname, pg_get_function_identity_arguments(oid)) AS key,
  'returns ' || pg_get_function_result(oid) AS definition
FROM pg_proc WHERE pronamespace = $1::text::regnamespace AND proname = 'score_lead'"""


async def find_plan_differences(conn: asyncpg.Connection) -> list[str]:
    """Return one line for each part of the plan that the database lacks or has differently.

    Builds the plan's schema in a scratch schema and rolls back: the database is left unchanged.
    """
    rolled_back = conn.transaction()
    await rolled_back.start()
    try:
        actual = await _read_definitions(conn, "public", "public")
        await conn.execute(f"CREATE SCHEMA {SCRATCH_SCHEMA}")
        await conn.execute(f"SET LOCAL search_path = {SCRATCH_SCHEMA}, public, extensions")
        for statement in statements(PLAN.read_text(encoding="utf-8")):
            await conn.execute(statement)
        path = f"{SCRATCH_SCHEMA}, public"
        expected = await _read_definitions(conn, SCRATCH_SCHEMA, path)
    finally:
        await rolled_back.rollback()
    return [
        f"{key} is missing; run `crm db migrate`"
        if key not in actual
        else f"{key} is {actual[key]}, should be {definition}; change it back"
        for key, definition in sorted(expected.items())
        if actual.get(key) != definition
    ]


async def _read_definitions(
    conn: asyncpg.Connection, schema: str, search_path: str
) -> Mapping[str, str]:
    """Return what `schema` has of the plan: a name with its definition as PostgreSQL prints it.

    The search path decides where PostgreSQL prints a schema name; the prefix of `schema` is
    removed so that definitions of two schemas can be compared.
    """
    await conn.execute(f"SET LOCAL search_path = {search_path}, extensions")
    definitions: dict[str, str] = {}
    for query in (_COLUMNS, _INDEXES, _CONSTRAINTS, _POLICIES, _ROW_SECURITY, _FUNCTIONS):
        rows = await conn.fetch(_PARAMETERS + query, schema, list(PLAN_TABLES), list(PLAN_COLUMNS))
        for row in rows:
            definitions[row["key"]] = row["definition"].replace(f"{schema}.", "")
    return definitions
