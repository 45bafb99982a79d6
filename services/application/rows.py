"""The row a stream's facts make, before the projector has made it: the same functions fold it."""

from typing import Any
from uuid import UUID

from events.event import Event
from events.record import NewEvent, RecordedEvent
from projections.engine.projection import Projection, Rows, Tables


def row_of(
    projection: Projection, key: UUID, recorded_events: list[RecordedEvent]
) -> dict[str, Any] | None:
    """The row of `key` after these facts, in the order they happened; None where there is none.

    Only for projections whose handlers touch nothing but the row of the fact's own stream.
    """
    rows = Rows(projection.table)
    rows.load({key}, {})
    for recorded in recorded_events:
        handler = projection.handlers.get(type(recorded.event))  # type: ignore[arg-type]
        if handler is not None:
            handler(Tables(rows, rows), recorded, recorded.event)
    found = rows.get(key)
    return None if found is None else {name: found.get(name) for name in projection.table.columns}


def as_recorded_event(new: NewEvent, event: Event) -> RecordedEvent:
    """A fact that is about to be appended, as if it had been."""
    cause = new.cause
    return RecordedEvent(
        new.id, event, event.stream, event.stream_id, 0, 0, 0, 0, new.org_id, new.property_id,
        event.lead, new.occurred_at, new.occurred_at, cause.actor, cause.origin.value,
        cause.correlation_id, cause.causation_id,
    )  # fmt: skip
