"""Triggers that the host has on in-place tables: whether they fire for the engine, what they write.

The host made them for the writes of its own code. A trigger that sets `updated_at` would change
every row that the engine writes, and rebuilt rows would differ for ever. So `crm adopt` adds a
condition to these triggers, with which they do not fire for the engine. Where it may not do that,
the columns that such a trigger writes are the host's: a comparison leaves them out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from events.log.connection import Connection

CONDITION = "current_setting('crm.engine'::text, true) IS DISTINCT FROM 'on'::text"
"""The condition of a trigger that does not fire for the engine, as PostgreSQL prints it."""
ENGINE_SEARCH_PATH = "public, extensions"
"""The search path of every transaction that writes derived tables, for triggers of the host.

Projector and rebuild connect as different roles, which can have different search paths.
"""
_ROW, _BEFORE, _INSERT, _DELETE, _UPDATE = 1, 2, 4, 8, 16
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_ASSIGNED = re.compile(
    r'(?:^|;|\bTHEN\b|\bELSE\b|\bBEGIN\b|\bLOOP\b)\s*NEW\."?(\w+)"?\s*:?=|\bINTO\s+NEW\."?(\w+)"?',
    re.IGNORECASE,
)
_ASSIGNED_WHOLE = re.compile(
    r"(?:^|;|\bTHEN\b|\bELSE\b|\bBEGIN\b|\bLOOP\b)\s*NEW\s*:?=|\bINTO\s+NEW\b(?!\s*\.)",
    re.IGNORECASE,
)
_TRIGGERS = """
SELECT c.relname AS table, t.tgname AS name, t.tgtype::int AS kind,
  t.tgenabled::text AS enabled, t.tgconstraint <> 0 AS is_constraint,
  pg_get_triggerdef(t.oid) AS definition, p.oid::regproc::text AS function,
  p.prosrc AS source, l.lanname AS language,
  regexp_split_to_array(encode(t.tgargs, 'escape'), E'\\\\\\\\000') AS arguments,
  ARRAY(SELECT attname::text FROM pg_attribute
    WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_language l ON l.oid = p.prolang
WHERE c.oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
  AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
  AND p.pronamespace <> to_regnamespace('crm') ORDER BY 1, 2"""


@dataclass(frozen=True, slots=True)
class HostTrigger:
    """A trigger of the host. `columns`: those that it writes; None if that cannot be known."""

    table: str
    name: str
    function: str
    timing: str
    definition: str
    columns: tuple[str, ...] | None
    fires_for_engine: bool
    is_always: bool
    is_constraint: bool

    @property
    def exemption(self) -> list[str]:
        """Return the statements after which the trigger does not fire for the engine."""
        head, _, function = self.definition.rpartition(" EXECUTE FUNCTION ")
        before, has_condition, condition = head.partition(" WHEN (")
        condition = f"(({condition.removesuffix(')')}) AND ({CONDITION}))" if has_condition else (
            f"({CONDITION})"
        )  # fmt: skip
        create = f"{before} WHEN {condition} EXECUTE FUNCTION {function}"
        quoted = '"' + self.name.replace('"', '""') + '"'
        # PostgreSQL cannot replace a constraint trigger.
        statements = [f"DROP TRIGGER {quoted} ON public.{self.table}", create]
        if not self.is_constraint:
            statements = [create.replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)]
        if self.is_always:
            statements.append(f"ALTER TABLE public.{self.table} ENABLE ALWAYS TRIGGER {quoted}")
        return statements


async def read_host_triggers(conn: Connection, tables: Sequence[str]) -> list[HostTrigger]:
    """Return the enabled triggers of these tables that are not the core's, by their live names."""
    return [_make_trigger(row) for row in await conn.fetch(_TRIGGERS, list(tables))]


async def read_host_columns(conn: Connection, tables: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return table → columns that triggers write when the engine writes a row."""
    columns: dict[str, frozenset[str]] = {}
    for trigger in await read_host_triggers(conn, tables):
        if trigger.fires_for_engine and trigger.columns:
            columns[trigger.table] = columns.get(trigger.table, frozenset()) | {*trigger.columns}
    return columns


def _make_trigger(row: asyncpg.Record) -> HostTrigger:
    kind = row["kind"]
    events = [
        name
        for bit, name in ((_INSERT, "INSERT"), (_UPDATE, "UPDATE"), (_DELETE, "DELETE"))
        if kind & bit
    ]
    when = "BEFORE" if kind & _BEFORE else "AFTER"
    return HostTrigger(
        table=row["table"],
        name=row["name"],
        function=row["function"],
        timing=f"{when} {' OR '.join(events)}",
        definition=row["definition"],
        columns=_find_written_columns(row),
        fires_for_engine=CONDITION not in row["definition"],
        is_always=row["enabled"] == "A",
        is_constraint=row["is_constraint"],
    )


def _find_written_columns(row: asyncpg.Record) -> tuple[str, ...] | None:
    """Return the columns that a trigger assigns; None if they cannot be found in its source.

    Only a BEFORE trigger for rows can change the row. A function in C, such as moddatetime, gets
    the names of its columns as arguments.
    """
    kind, columns = row["kind"], set(row["columns"])
    if not (kind & _ROW and kind & _BEFORE and kind & (_INSERT | _UPDATE)):
        return ()
    if row["language"] != "plpgsql":
        return tuple(sorted(columns & set(row["arguments"]))) or None
    source = _COMMENT.sub(" ", row["source"])
    if _ASSIGNED_WHOLE.search(source):
        return None
    written = {name.lower() for pair in _ASSIGNED.findall(source) for name in pair if name}
    return tuple(sorted(written & columns))
