"""Rows in memory: dropped rows are deleted, whatever state they had."""

from typing import Any
from uuid import UUID

from projections.engine.derived_table import DerivedTable, Row
from projections.engine.table_rows import TableRows
from projections.messages import TABLE

KEYS = [UUID(int=number) for number in range(1, 5)]
MESSAGES = DerivedTable(TABLE, keyed_by=("message_id",), subject="conversation_id")


def row(key: UUID, **more: Any) -> Row:
    return {**dict.fromkeys(MESSAGES.columns), "id": key, **more}


def test_drop_removes_an_added_row_and_deletes_a_stored_one() -> None:
    rows = TableRows(MESSAGES)
    rows.add(row(KEYS[0]))
    rows.add(row(KEYS[1]))
    rows.drop(KEYS[1:3])
    changes = rows.take_changes()
    assert [stored[0] for stored in changes.inserted] == [KEYS[0]]
    assert changes.deleted == KEYS[1:3]
    assert rows.take_changes() == ([], [], [], [])


def test_drop_removes_rows_changed_or_inserted_in_this_batch() -> None:
    rows = TableRows(MESSAGES)
    rows.load(KEYS[:2], {KEYS[0]: row(KEYS[0])})
    rows.update(KEYS[0], content="changed")
    rows.insert(KEYS[1], row(KEYS[1]))
    rows.drop(KEYS[:2])
    assert rows.get(KEYS[0]) is None
    assert rows.take_changes() == ([], [], [KEYS[0]], [])


def test_a_dropped_row_can_be_inserted_again() -> None:
    rows = TableRows(MESSAGES)
    rows.drop(KEYS[:1])
    rows.insert(KEYS[0], row(KEYS[0], content="again"))
    changes = rows.take_changes()
    assert (changes.deleted, [stored[0] for stored in changes.inserted]) == (KEYS[:1], KEYS[:1])
