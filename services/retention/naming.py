"""Facts that name rows past their time: said once a day for the same rows, by one run at a time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from events.log.append import append
from events.log.connection import Connection
from events.operations import Retained, RetentionApplied
from events.record import Cause, NewEvent
from services.runtime import metrics

ROWS_AT_A_TIME = 1_000
"""As many as one fact may name of a kind."""
BATCHES_AT_MOST = 10_000
CAUSE = Cause(actor="retention")
NAMES = ("session_ids", "conversation_ids", "message_ids", "engagement_ids", "consent_ids")


async def alone(conn: Connection) -> bool:
    """Whether no other run is at it; until the transaction ends."""
    found: bool = await conn.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('crm retention'))")
    return found


async def name_gone(
    conn: Connection,
    org_id: UUID,
    home: UUID,
    kind: Retained,
    cutoff: datetime,
    today: datetime,
    **rows: Sequence[UUID],
) -> None:
    """Append `retention.applied` for rows of a property, each argument a field of it."""
    given = {name: tuple(keys) for name, keys in rows.items() if keys}
    said = RetentionApplied.model_validate(
        {"property_id": home, "kind": kind, "cutoff": cutoff, **given}
    )
    keys = "".join(str(key) for name in NAMES for key in getattr(said, name))
    event = NewEvent(
        id=uuid5(home, f"{said.name}/{said.kind}/{said.cutoff.isoformat()}/{keys}"),
        event=said,
        org_id=org_id,
        property_id=home,
        occurred_at=today,
        cause=CAUSE,
    )
    await append(conn, [event], expected={})
    metrics.APPENDED.labels(said.name).inc()
