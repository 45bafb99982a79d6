"""The event `retention.applied`, which names the rows that projectors remove.

Its id derives from the day and the rows, so that a repeated run on one day appends it once.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from events.log.append import append
from events.log.connection import Connection
from events.log.locks import try_lock_name
from events.operations import Retained, RetentionApplied
from events.record import Cause, NewEvent
from services.runtime import metrics

ROWS_PER_EVENT = 1_000
"""The maximum number of rows of one kind that an event names."""
MAX_BATCHES = 10_000
RETENTION_LOCK = "retention"
CAUSE = Cause(actor="retention")
ID_FIELDS = ("session_ids", "conversation_ids", "message_ids", "engagement_ids", "consent_ids")


async def lock_run(conn: Connection) -> bool:
    """Lock retention until the end of the transaction; return False if another run holds it.

    Two runs would name the same rows in different batches, and so append each row twice.
    """
    return await try_lock_name(conn, RETENTION_LOCK)


async def append_retention(
    conn: Connection,
    org_id: UUID,
    property_id: UUID,
    kind: Retained,
    cutoff: datetime,
    today: datetime,
    **rows: Sequence[UUID],
) -> None:
    """Append `retention.applied` for rows of one property; each keyword is a field of the event."""
    ids = {name: tuple(keys) for name, keys in rows.items() if keys}
    applied = RetentionApplied.model_validate(
        {"property_id": property_id, "kind": kind, "cutoff": cutoff, **ids}
    )
    keys = "".join(str(key) for name in ID_FIELDS for key in getattr(applied, name))
    event = NewEvent(
        id=uuid5(property_id, f"{applied.name}/{applied.kind}/{applied.cutoff.isoformat()}/{keys}"),
        event=applied,
        org_id=org_id,
        property_id=property_id,
        occurred_at=today,
        cause=CAUSE,
    )
    await append(conn, [event], expected={})
    metrics.APPENDED.labels(applied.name).inc()
