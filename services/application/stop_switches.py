"""The stop switch: an operator stops all messages, or those of one property, and lets them go.

Every stop stays as a row, with who stopped, who let go, and why.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from events.log.connection import Connection
from events.timers import TimerKind
from services.deciders.decider import Refused
from services.deciders.sending_rules.context import StopSwitch
from services.deciders.sending_rules.stop_switch import RECHECK


async def find_stop(conn: Connection, property_id: UUID) -> StopSwitch | None:
    """Return the stop that is in force for a property; the global one comes first."""
    row = await conn.fetchrow(
        "SELECT property_id, stopped_at, reason FROM crm.delivery_stops "
        "WHERE released_at IS NULL AND (property_id IS NULL OR property_id = $1) "
        "ORDER BY property_id NULLS FIRST LIMIT 1",
        property_id,
    )
    if row is None:
        return None
    return StopSwitch(row["stopped_at"], row["property_id"] is None, row["reason"])


async def stop_deliveries(
    conn: Connection, property_id: UUID | None, at: datetime, by: str, reason: str
) -> None:
    """Stop the messages of a property, or of all. Raises `Refused` if they are stopped already."""
    status = await conn.execute(
        "INSERT INTO crm.delivery_stops (id, property_id, stopped_at, stopped_by, reason) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        uuid7(),
        property_id,
        at,
        by,
        reason,
    )
    if status == "INSERT 0 0":
        raise Refused("stopped_already", f"the messages of {_scope(property_id)} are stopped")


async def release_deliveries(
    conn: Connection, property_id: UUID | None, at: datetime, by: str, reason: str
) -> None:
    """End a stop, and let the messages that it held be asked again at once.

    Raises `Refused` if there is no such stop.
    """
    status = await conn.execute(
        "UPDATE crm.delivery_stops SET released_at = $2, released_by = $3, release_reason = $4 "
        "WHERE released_at IS NULL AND property_id IS NOT DISTINCT FROM $1",
        property_id,
        at,
        by,
        reason,
    )
    if status == "UPDATE 0":
        raise Refused("not_stopped", f"there is no stop for {_scope(property_id)}")
    await conn.execute(
        "UPDATE crm.timers SET queue_at = $1 WHERE kind = $2 AND queue_at > $1 "
        "AND queue_at <= $3 AND ($4::uuid IS NULL OR property_id = $4)",
        at,
        TimerKind.DELIVERY,
        at + RECHECK,
        property_id,
    )


async def list_stops(conn: Connection, limit: int) -> list[dict[str, Any]]:
    """Return the stops, those in force first, then the newest."""
    rows = await conn.fetch(
        "SELECT property_id, stopped_at, stopped_by, reason, released_at, released_by, "
        "release_reason FROM crm.delivery_stops "
        "ORDER BY released_at IS NOT NULL, stopped_at DESC LIMIT $1",
        limit,
    )
    return [dict(row) for row in rows]


def _scope(property_id: UUID | None) -> str:
    return "all properties" if property_id is None else f"property {property_id}"
