"""Sealed contents of operational tables that can be about a person: find those of one person.

The rows are no events: records of producers, kept results of commands and details of failures. A
record has a data key of its own, the others have the key of a lead or of the property. An erasure
finds the rows by the ids in them, and else by opening the rows of the person's property and looking
for what identifies the person.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import asyncpg

from events.keys import store
from events.keys.contents import ERASED, open_each, subject_of
from events.keys.data_key import TamperedValue
from events.keys.ring import current_ring
from events.log.connection import Connection
from services.application.person_terms import PersonTerms
from services.runtime.logging import get_logger

PAGE_ROWS = 500

log = get_logger("sealed_tables")


class SealedTable(StrEnum):
    """A table with sealed contents."""

    DEAD_LETTERS = "dead_letters"
    INTAKE_WAITING = "intake_waiting"
    COMMANDS = "commands"
    POLICY_FAILURES = "policy_failures"


class FoundRow(NamedTuple):
    """A row that is about a person. `policy` is the rest of the key of a failure."""

    table: SealedTable
    id: UUID
    policy: str | None = None


class _Row(NamedTuple):
    found: FoundRow
    lead_id: UUID | None
    content: bytes


async def find_rows(
    conn: Connection, person: PersonTerms, tables: Iterable[SealedTable] = SealedTable
) -> list[FoundRow]:
    """Return the rows of these tables that are about a person, in the open transaction.

    They are found by their lead, by the data subject of their key, or by their content. An
    erased content is not found again; one that was changed in its table is logged. Raises
    `DataKeyMissing`.
    """
    if not conn.is_in_transaction():
        raise RuntimeError("find_rows reads with cursors: open a transaction before it")
    found: list[FoundRow] = []
    for table in tables:
        cursor = await conn.cursor(_QUERIES[table], list(person.property_ids))
        while page := await cursor.fetch(PAGE_ROWS):
            found += await _find_in(conn, [_row(table, row) for row in page], person)
    return found


async def _find_in(conn: Connection, rows: Sequence[_Row], person: PersonTerms) -> list[FoundRow]:
    rows = [row for row in rows if row.content != ERASED]
    named = {
        row.found for row in rows
        if row.lead_id in person.subject_ids or _subject_of(row) in person.subject_ids
    }  # fmt: skip
    others = [row for row in rows if row.found not in named]
    contents = await open_each(conn, [row.content for row in others])
    for row, content in zip(others, contents, strict=True):
        if isinstance(content, TamperedValue):
            table, row_id = row.found.table.value, str(row.found.id)
            log.warning("sealed_tables.row_changed", table=table, row_id=row_id, problem=content)
        elif content is not None and person.is_named_in(content):
            named.add(row.found)
    return [row.found for row in rows if row.found in named]


def _subject_of(row: _Row) -> UUID | None:
    """Return the data subject of a row; None also for a content that was changed."""
    with suppress(TamperedValue):
        return subject_of(row.content)
    return None


async def erase_rows(conn: Connection, found: Sequence[FoundRow]) -> None:
    """Erase the contents of these rows and destroy the keys of their own, in the transaction.

    The rows stay: an erased dead letter is dropped, and a repeated command is not executed again.
    """
    for table in SealedTable:
        rows = [row for row in found if row.table is table]
        if rows:
            ids, policies = [row.id for row in rows], [row.policy for row in rows]
            await conn.execute(_ERASURES[table], ids, ERASED, *(
                [policies] if table is SealedTable.POLICY_FAILURES else []
            ))  # fmt: skip
    own = [r.id for r in found if r.table in (SealedTable.DEAD_LETTERS, SealedTable.INTAKE_WAITING)]
    if own:
        await store.destroy_keys(await current_ring().store_of(conn), own)


def _row(table: SealedTable, row: asyncpg.Record) -> _Row:
    return _Row(FoundRow(table, row["id"], row["policy"]), row["lead_id"], row["content"])


_OF_PROPERTY = "(property_id IS NULL OR property_id = ANY($1::uuid[]))"
_QUERIES = {
    SealedTable.DEAD_LETTERS: "SELECT id, NULL AS policy, NULL::uuid AS lead_id, content "
    f"FROM crm.dead_letters WHERE {_OF_PROPERTY} ORDER BY id",
    SealedTable.INTAKE_WAITING: "SELECT id, NULL AS policy, NULL::uuid AS lead_id, content "
    f"FROM crm.intake_waiting WHERE {_OF_PROPERTY} ORDER BY id",
    # A command does not say its property. Most are deleted after a day.
    SealedTable.COMMANDS: "SELECT id, NULL AS policy, NULL::uuid AS lead_id, answer AS content "
    "FROM crm.commands WHERE answer IS NOT NULL AND $1::uuid[] IS NOT NULL ORDER BY id",
    SealedTable.POLICY_FAILURES: "SELECT event_id AS id, policy, lead_id, detail AS content "
    f"FROM crm.policy_failures WHERE {_OF_PROPERTY} ORDER BY event_id, policy",
}
_ERASURES = {
    SealedTable.DEAD_LETTERS: "UPDATE crm.dead_letters SET content = $2, status = 'dropped', "
    "last_at = clock_timestamp() WHERE id = ANY($1::uuid[])",
    SealedTable.INTAKE_WAITING: "DELETE FROM crm.intake_waiting WHERE id = ANY($1::uuid[]) "
    "AND $2::bytea IS NOT NULL",
    SealedTable.COMMANDS: "UPDATE crm.commands SET answer = $2 WHERE id = ANY($1::uuid[])",
    SealedTable.POLICY_FAILURES: "UPDATE crm.policy_failures SET detail = $2 "
    "WHERE (event_id, policy) IN (SELECT * FROM unnest($1::uuid[], $3::text[]))",
}
