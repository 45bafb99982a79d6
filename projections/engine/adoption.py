"""Adoption: what the host wrote into tables that were its own before, and how far it is a fact.

A row the core has not come to yet, or that no fact can tell of, has no organisation. What the host
wrote is in its row at once, while the tables come to the fact of it later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from events.log.connection import Connection

NONE, OPEN, COMPLETE = "none", "open", "complete"


class NotAdopted(Exception):
    """The host has rows that no fact tells of: folded afresh they would be missing."""

    def __init__(self) -> None:
        super().__init__(
            "the host's own leads, conversations and messages are not adopted yet: run `crm adopt`"
        )


@dataclass(frozen=True, slots=True)
class HostRows:
    """Which rows of the kept tables a comparison leaves out.

    `shared`: the host writes these tables too, so a row without an organisation is not the core's.
    `ahead`: keys of rows in which the host is ahead of the facts that the tables have come to.
    """

    shared: bool
    ahead: Sequence[UUID]


async def state(conn: Connection) -> str:
    """`none`: only the core writes; `open`: the host's rows are being adopted; or `complete`."""
    found: str = await conn.fetchval("SELECT state FROM crm.adoption")
    return found


async def demand(conn: Connection) -> None:
    """Raises `NotAdopted`."""
    if await state(conn) == OPEN:
        raise NotAdopted


async def host_rows(conn: Connection, group: str) -> HostRows:
    """As the snapshot of the caller's transaction shows it, like the checkpoints of `unit`."""
    if await state(conn) == NONE:
        return HostRows(False, ())
    rows = await conn.fetch(
        """
        SELECT DISTINCT coalesce((said.payload ->> 'message_id')::uuid, said.entity_id) AS key
        FROM (
          SELECT entity_id, payload FROM public.crm_events
          WHERE position IS NULL AND actor = 'host' AND entity_type IN ('lead', 'conversation')
          UNION ALL
          SELECT e.entity_id, e.payload FROM crm.checkpoints c
          JOIN public.crm_events e ON e.shard = c.shard AND e.position > c.position
          WHERE c.unit = $1 AND e.actor = 'host' AND e.entity_type IN ('lead', 'conversation')
        ) AS said
        """,
        group,
    )
    return HostRows(True, [row["key"] for row in rows])
