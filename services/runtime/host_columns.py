"""Columns and constraints of the host that the core's rows do not fit, with statements that mend.

The host made these tables for its own rows. A row that the core cannot store parks its event, so
these differences are looked for before: by `crm db migrate`, `crm adopt` and `crm db check`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from events.conversations import ConversationChannel, MessageRole
from events.leads import LeadStatus
from events.log.connection import Connection
from projections.catalog import LIVE
from projections.engine.derived_table import DerivedTable

TABLES = tuple(table for table in LIVE.tables if table.is_in_place)
ALWAYS_SET = frozenset({
    "id", "property_id", "conversation_id", "created_at", "status", "channel", "role", "content",
    "is_human_mode", "takeover_epoch", "waiting_for_human", "message_count",
})  # fmt: skip
"""The columns in which the core never stores null; in the others it does."""
VALUES: Mapping[tuple[str, str], Sequence[str]] = {
    ("leads", "status"): [*LeadStatus],
    ("conversations", "channel"): [*ConversationChannel],
    ("messages", "role"): [*MessageRole],
}
"""The values that the core stores in a column."""
SAME_TYPES = {("text", "character varying")}
"""A type of the core, and another one that holds the same values."""

COLUMNS_QUERY = f"""
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
  t.typtype = 'e' AS is_enum, a.attnotnull AS is_required,
  a.atthasdef OR a.attidentity <> '' AS has_default
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
WHERE c.oid IN ({", ".join(f"to_regclass('{table.live_name}')" for table in TABLES)})
  AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum"""
_CHECKS = """
SELECT c.relname AS table, k.conname AS name, pg_get_expr(k.conbin, k.conrelid) AS condition,
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum = ANY(k.conkey))
    AS columns
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'c' AND cardinality(k.conkey) > 0
  AND c.oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name) ORDER BY 1, 3"""
_UNIQUE = """
SELECT c.relname AS table, i.indexrelid::regclass::text AS name,
  EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AS is_constraint,
  ARRAY(SELECT attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute ON attrelid = c.oid AND attnum = number ORDER BY place) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE i.indisunique AND NOT i.indisprimary
  AND c.oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name) ORDER BY 1, 2"""


@dataclass(frozen=True, slots=True)
class ColumnProblem:
    """A difference and the statement that mends it; the migrations cannot run with `is_type`."""

    problem: str
    statement: str
    is_type: bool = False

    def __str__(self) -> str:
        return f"{self.problem}; run `{self.statement}`"


async def find_column_problems(conn: Connection) -> list[ColumnProblem]:
    """Return what the core's rows do not fit in the tables that host and core share."""
    names = [table.live_name for table in TABLES]
    problems = compare_columns(await conn.fetch(COLUMNS_QUERY))
    for row in await conn.fetch(_CHECKS, names):
        problems += [problem async for problem in _check_values(conn, row)]
        problems += [problem async for problem in _check_erased_values(conn, row)]
    return [*problems, *_find_unique(await conn.fetch(_UNIQUE, names))]


def compare_columns(rows: Sequence[Any]) -> list[ColumnProblem]:
    """Return the differences between the result of `COLUMNS_QUERY` and the catalog."""
    problems: list[ColumnProblem] = []
    tables = {table.name: table for table in TABLES}
    for row in rows:
        table = tables[row["table"]]
        if row["column"] in table.columns:
            problems += _compare_column(table, row)
        elif row["is_required"] and not row["has_default"]:
            problems.append(_missing_default(row))
    return problems


def _compare_column(table: DerivedTable, row: Any) -> Iterator[ColumnProblem]:
    column, name = row["column"], f"{table.live_name}.{row['column']}"
    alter = f"ALTER TABLE {table.live_name} ALTER COLUMN {column}"
    kind = table.column_types[table.columns.index(column)].lower()
    if row["type"] != kind and (kind, row["type"]) not in SAME_TYPES:
        yield ColumnProblem(
            f"column {name} has the type {row['type']}, and the core stores {kind}",
            f"{alter} DROP DEFAULT, ALTER COLUMN {column} TYPE {kind} USING {column}::{kind}",
            is_type=True,
        )
    needs_value = not table.table.columns[column].nullable
    if needs_value and not row["is_required"]:
        yield ColumnProblem(
            f"column {name} can be empty, and the core needs a value",
            f"{alter} SET NOT NULL",
        )
    if row["is_required"] and not needs_value and column not in ALWAYS_SET:
        yield ColumnProblem(
            f"column {name} is NOT NULL, and the core stores rows without a value",
            f"{alter} DROP NOT NULL",
        )


def _missing_default(row: Any) -> ColumnProblem:
    table, column = f"public.{row['table']}", row["column"]
    return ColumnProblem(
        f"column {table}.{column} of the host is NOT NULL without a default, so that the core "
        "cannot add rows",
        f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL",
    )


async def _check_values(conn: Connection, row: asyncpg.Record) -> Any:
    """Yield a problem if a CHECK constraint refuses a value that the core stores."""
    table, column = row["table"], row["columns"][0]
    values = VALUES.get((table, column))
    if values is None or len(row["columns"]) > 1:
        return
    refused = await conn.fetch(
        f'SELECT "{column}" AS value FROM unnest($1::text[]) AS {table} ("{column}") '
        f"WHERE NOT ({row['condition']})",
        list(values),
    )
    if refused:
        names = ", ".join(found["value"] for found in refused)
        yield ColumnProblem(
            f"constraint {row['name']} on public.{table} refuses {column} {names}",
            f'ALTER TABLE public.{table} DROP CONSTRAINT "{row["name"]}"',
        )


async def _check_erased_values(conn: Connection, row: asyncpg.Record) -> Any:
    """Yield a problem if a CHECK constraint of personal columns refuses their erased values."""
    name = row["table"]
    erased = next(table for table in TABLES if table.name == name).erased_values
    if not erased.keys() >= set(row["columns"]):
        return
    is_refused = await conn.fetchval(
        f"SELECT NOT ({row['condition']}) "
        f"FROM jsonb_populate_record(NULL::public.{name}, $1::text::jsonb) AS {name}",
        json.dumps(erased),
    )
    if is_refused:
        yield ColumnProblem(
            f"constraint {row['name']} on public.{name} refuses the row of an erased person, which "
            f"has no {', '.join(row['columns'])}",
            f'ALTER TABLE public.{name} DROP CONSTRAINT "{row["name"]}"',
        )


def _find_unique(rows: Sequence[asyncpg.Record]) -> Iterator[ColumnProblem]:
    tables = {table.name: table for table in TABLES}
    for row in rows:
        table = tables[row["table"]]
        if set(row["columns"]) <= set(table.columns):
            columns = ", ".join(row["columns"])
            kind = f"ALTER TABLE {table.live_name} DROP CONSTRAINT" if row["is_constraint"] else (
                "DROP INDEX"
            )  # fmt: skip
            yield ColumnProblem(
                f"{row['name']} makes ({columns}) of {table.live_name} unique, and the core stores "
                "equal values",
                f"{kind} {row['name']}",
            )
