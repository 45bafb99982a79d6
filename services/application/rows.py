"""The row of an entity before the projector has written it, folded by the same projection."""

from typing import Any
from uuid import UUID

from events.record import RecordedEvent
from projections.engine.projection import Projection, Tables
from projections.engine.table_rows import TableRows


def build_row(
    projection: Projection, key: UUID, recorded_events: list[RecordedEvent]
) -> dict[str, Any] | None:
    """Return the row of `key` after these events, in their order; None if there is no row.

    Only for projections whose projectors change nothing but the row of the event's own stream.
    """
    rows = TableRows(projection.table)
    rows.load({key}, {})
    for recorded in recorded_events:
        projector = projection.projectors.get(type(recorded.event))  # type: ignore[arg-type]
        if projector is not None:
            projector(Tables(rows, rows), recorded, recorded.event)
    row = rows.get(key)
    return None if row is None else {name: row.get(name) for name in projection.table.columns}
