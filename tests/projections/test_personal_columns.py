"""Personal columns: every column that takes a value of a personal field, and no other column.

A history of all events that projections handle is folded with several personal contents. The
contents are computed from the catalog, so a new event or column needs no change here.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import pytest

from events.event import Event, personal_fields
from events.leads import LeadErased
from events.record import RecordedEvent
from projections.catalog import LIVE
from projections.engine.derived_table import DerivedTable
from projections.engine.table_rows import RowChanges
from tests.projections.given import ORG, PROPERTY, event_id
from tests.replay_determinism.property import HistoryStep, PropertyModel
from tests.replay_determinism.steps import STEPS

Folded = dict[DerivedTable, dict[UUID, dict[str, Any]]]
PREFIX = "personal value of "
FIRST = [
    HistoryStep("add_lead", 0, target, variant, 0) for target in (2, 1, 0) for variant in (0, 1)
] + [
    HistoryStep("start_session", 0, 1, 1, 2),
    HistoryStep("start_conversation", 0, 0, 1, 2),
    HistoryStep("book_tour", 0, 0, 1, 2),
]


@cache
def history() -> Sequence[tuple[Event, datetime]]:
    """Return events of all kinds with their times; their personal fields differ from each other."""
    model = PropertyModel(ORG, PROPERTY, [UUID(int=n) for n in (91, 92, 93)])
    rest = [HistoryStep(what, 0, n + 1, n, 3) for n in range(24) for what in STEPS]
    tours = [HistoryStep("continue_tour", 0, t, v, 3) for t in range(9) for v in (0, 6, 12)]
    events = []
    for step in [*FIRST, *rest, *tours]:
        at = model.clock(step.timing)
        events += [
            (event, at)
            for event in STEPS[step.action](model, step)
            if not isinstance(event, LeadErased)
        ]
    return events


def fold(transform: Callable[[Event], Event], *later: Event) -> Folded:
    """Fold the history with transformed events, and then these; return the rows by table."""
    *_, folded = fold_in_slices(transform, *later)
    return folded


def fold_in_slices(
    transform: Callable[[Event], Event], *later: Event, size: int = 1_000_000
) -> Iterator[Folded]:
    """Yield by table the rows that are written after each slice of events."""
    events = [(transform(event), at) for event, at in history()]
    events += [(event, events[-1][1]) for event in later]
    recorded_events = [
        RecordedEvent(
            event_id(number), event, event.stream, event.stream_id, number, 0, number,
            number - 1, ORG, PROPERTY, event.lead, at, at, "test", "live", None, None,
        )
        for number, (event, at) in enumerate(events, start=1)
    ]  # fmt: skip
    work = LIVE.working_set()
    for table, keys in work.missing_keys(recorded_events).items():
        work.rows[table].load(keys, {})
    for start in range(0, len(recorded_events), size):
        work.fold(recorded_events[start : start + size])
        yield {table: _rows(table, changes) for table, changes in work.take_changes().items()}


def _rows(table: DerivedTable, changes: RowChanges) -> dict[UUID, dict[str, Any]]:
    written = [*changes.inserted, *changes.updated]
    rows = [dict(zip(table.columns, row, strict=True)) for row in written]
    return {row[table.key]: row for row in rows}


def with_values_of_subject(event: Event) -> Event:
    """Give every personal field a value that names its data subject, also those without a value."""
    values: dict[str, Any] = {}
    for field, subject in personal_fields(type(event)).items():
        text = f"{PREFIX}{getattr(event, subject)}"
        is_object = isinstance(getattr(event, field), dict)
        values[field] = {"text": text} if is_object else text
    return event.model_copy(update=values)


def without_values(event: Event) -> Event:
    """Empty every personal field: null, also where an event must have a text."""
    return event.model_copy(
        update={
            field: {} if isinstance(getattr(event, field), dict) else None
            for field in personal_fields(type(event))
        }
    )


def unmarked(rows: Folded) -> dict[str, dict[UUID, dict[str, Any]]]:
    """Return the rows without their personal columns."""
    return {
        table.name: {
            key: {name: row[name] for name in row.keys() - table.erased_values.keys()}
            for key, row in by_key.items()
        }
        for table, by_key in rows.items()
    }


def texts(value: Any) -> Iterator[str]:
    """Yield the personal texts in a value of a column."""
    text = value.decode() if isinstance(value, bytes) else str(value)
    yield from (PREFIX + part[:36] for part in text.split(PREFIX)[1:])


def test_the_history_contains_every_personal_field_that_a_projection_may_read() -> None:
    folded = {type(event) for event, _ in history()}
    handled = {kind for projection in LIVE.projections for kind in projection.projectors}
    assert {kind for kind in handled if personal_fields(kind)} <= folded


@pytest.mark.parametrize("transform", [with_values_of_subject, without_values])
def test_unmarked_columns_do_not_depend_on_personal_fields(
    transform: Callable[[Event], Event],
) -> None:
    """Neither on their content nor on whether they have one."""
    assert unmarked(fold(transform)) == unmarked(fold(lambda event: event))


def test_every_marked_column_takes_personal_values_of_the_subject_of_its_row() -> None:
    """An erasure finds rows by their subject only: a value of another one would remain."""
    found = set()
    for folded in fold_in_slices(with_values_of_subject, size=3):
        for table, rows in folded.items():
            for row in rows.values():
                for column in table.erased_values:
                    for text in texts(row[column]):
                        found.add((table.name, column))
                        assert table.subject is not None
                        assert text == f"{PREFIX}{row[table.subject]}", (table.name, column)
    assert found == {(table.name, c) for table in LIVE.tables for c in table.erased_values}


@pytest.mark.parametrize("transform", [with_values_of_subject, without_values])
def test_erased_rows_do_not_depend_on_the_personal_fields_before(
    transform: Callable[[Event], Event],
) -> None:
    """They are the same whether the keys were destroyed before the events were folded."""
    kept = fold(lambda event: event)
    subjects = {subject for event, _ in history() if (subject := _subject(event))}
    erasure = LeadErased(lead_id=UUID(int=8), reason="request", session_ids=tuple(subjects))
    erased = fold(transform, erasure)
    assert erased == fold(lambda event: event, erasure)
    for table, rows in erased.items():
        for key, row in rows.items():
            for column, value in row.items():
                if row.get(table.subject or "") in subjects and column in table.erased_values:
                    constant = table.erased_values[column]
                    assert value == (b"{}" if constant == {} else constant)
                elif not table.lists_erased_subjects:
                    assert value == kept[table][key][column], "it is not personal"


def _subject(event: Event) -> UUID | None:
    fields = set(personal_fields(type(event)).values())
    return getattr(event, fields.pop()) if fields else None
