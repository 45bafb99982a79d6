"""The rows a batch holds: what was dropped is gone, wherever it was."""

from typing import Any
from uuid import UUID

from projections.engine.projection import DerivedTable, Row, Rows
from projections.messages import TABLE

KEYS = [UUID(int=number) for number in range(1, 5)]
NAMED = DerivedTable(TABLE, keyed_by=("message_id",))


def row(key: UUID, **more: Any) -> Row:
    return {**dict.fromkeys(NAMED.columns), "id": key, **more}


def test_a_row_that_was_only_added_is_dropped_with_one_that_is_stored() -> None:
    rows = Rows(NAMED)
    rows.add(row(KEYS[0]))
    rows.add(row(KEYS[1]))
    rows.drop(KEYS[1:3])
    written = rows.take()
    assert [stored[0] for stored in written.inserted] == [KEYS[0]]
    assert written.deleted == KEYS[1:3]
    assert rows.take() == ([], [], [])


def test_a_row_that_is_changed_or_new_in_this_batch_is_dropped() -> None:
    rows = Rows(NAMED)
    rows.load(KEYS[:2], {KEYS[0]: row(KEYS[0])})
    rows.update(KEYS[0], content="changed")
    rows.insert(KEYS[1], row(KEYS[1]))
    rows.drop(KEYS[:2])
    assert rows.get(KEYS[0]) is None
    assert rows.take() == ([], [], [KEYS[0]])


def test_what_was_dropped_may_begin_anew() -> None:
    rows = Rows(NAMED)
    rows.drop(KEYS[:1])
    rows.insert(KEYS[0], row(KEYS[0], content="anew"))
    written = rows.take()
    assert (written.deleted, [stored[0] for stored in written.inserted]) == (KEYS[:1], KEYS[:1])
