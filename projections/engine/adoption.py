"""Adoption state: which rows of the in-place tables are the host's, as far as the engine needs it.

A row that is not adopted has no organisation. A later change of the host is in its row at once,
while the projector applies the event of that change later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from events.log.connection import Connection

NONE, OPEN, COMPLETE = "none", "open", "complete"


class AdoptionRequired(Exception):
    """The host has rows without events: a rebuild would lose them."""

    def __init__(self) -> None:
        super().__init__(
            "the host's own leads, conversations and messages are not adopted yet: run `crm adopt`"
        )


@dataclass(frozen=True, slots=True)
class HostRows:
    """The rows of in-place tables that a comparison leaves out.

    `is_shared`: the host writes these tables too, so a row without an organisation is the host's.
    `ahead`: keys of rows with changes of the host whose events are not applied yet.
    """

    is_shared: bool
    ahead: Sequence[UUID]


async def read_state(conn: Connection) -> str:
    """Return `none` (only the core writes), `open` (rows are being adopted) or `complete`."""
    state: str = await conn.fetchval("SELECT state FROM crm.adoption")
    return state


async def require_adopted(conn: Connection) -> None:
    """Raise `AdoptionRequired` while rows are being adopted."""
    if await read_state(conn) == OPEN:
        raise AdoptionRequired


async def read_host_rows(conn: Connection, group: str) -> HostRows:
    """Return the rows to leave out, in the snapshot of the caller's transaction.

    The checkpoints of `group` must be read in the same snapshot.
    """
    if await read_state(conn) == NONE:
        return HostRows(False, ())
    rows = await conn.fetch(
        """
        SELECT DISTINCT coalesce((ahead.payload ->> 'message_id')::uuid, ahead.entity_id) AS key
        FROM (
          SELECT entity_id, payload FROM public.crm_events
          WHERE position IS NULL AND actor = 'host' AND entity_type IN ('lead', 'conversation')
          UNION ALL
          SELECT e.entity_id, e.payload FROM crm.checkpoints c
          JOIN public.crm_events e ON e.shard = c.shard AND e.position > c.position
          WHERE c.projection_group = $1 AND e.actor = 'host'
            AND e.entity_type IN ('lead', 'conversation')
          UNION ALL
          SELECT entity_id, payload FROM crm.staged_changes
          WHERE actor = 'host' AND entity_type IN ('lead', 'conversation')
        ) AS ahead
        """,
        group,
    )
    return HostRows(True, [row["key"] for row in rows])
