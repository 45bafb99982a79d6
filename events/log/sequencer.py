"""The one order: committed rows get gap-free positions, and whoever numbers them holds an epoch.

Rows are numbered in the order of an identity column taken at insert. A row that commits late is
simply numbered later, so nothing is skipped and a long transaction elsewhere stalls nothing. What
causes what stays in order: a row written after reading another has a higher identity than it.
"""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from events.log import read
from events.log.connection import Connection


class LeaseLost(Exception):
    """Another relay has taken over: stop numbering and publishing, and stand by."""


@dataclass(frozen=True, slots=True)
class RelayLease:
    """The right to number and publish, good while the log's row still shows this epoch."""

    epoch: int


class LogState(NamedTuple):
    """Which log this is, which life of it, how far it is numbered and published."""

    id: UUID
    generation: int
    position: int
    published: int


async def state(conn: Connection) -> LogState:
    row = await conn.fetchrow("SELECT id, generation, position, published FROM crm.log")
    if row is None:
        raise RuntimeError("crm.log is empty: run `crm db migrate`")
    return LogState(*row.values())


async def acquire(conn: Connection, name: str, lease_seconds: float) -> RelayLease | None:
    """Take over where the lease of the last relay has run out. None while another holds it."""
    row = await conn.fetchrow(
        """
        UPDATE crm.log SET relay_epoch = relay_epoch + 1, relay_name = $1,
          relay_lease_until = clock_timestamp() + make_interval(secs => $2)
        WHERE relay_lease_until < clock_timestamp() RETURNING relay_epoch
        """,
        name,
        lease_seconds,
    )
    return None if row is None else RelayLease(row["relay_epoch"])


async def renew(conn: Connection, lease: RelayLease, lease_seconds: float) -> None:
    """Raises `Deposed`."""
    done = await conn.execute(
        "UPDATE crm.log SET relay_lease_until = clock_timestamp() + make_interval(secs => $2) "
        "WHERE relay_epoch = $1",
        lease.epoch,
        lease_seconds,
    )
    if done == "UPDATE 0":
        raise LeaseLost


async def release(conn: Connection, lease: RelayLease) -> None:
    """Let another take over at once."""
    await conn.execute(
        "UPDATE crm.log SET relay_lease_until = '-infinity' WHERE relay_epoch = $1", lease.epoch
    )


async def any_waiting(conn: Connection) -> bool:
    """Whether a committed row has no number yet: cheap enough to ask all the time."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM public.crm_events WHERE position IS NULL)"
    )
    return found


async def number(conn: Connection, lease: RelayLease, limit: int) -> list[asyncpg.Record]:
    """Number the next rows, at most `limit`, and return them in order once that is durable.

    One statement and one commit: whoever has another epoch waits for the counter's row, and then
    finds that it is not theirs. Raises `Deposed`.
    """
    rows = await conn.fetch(_NUMBER, lease.epoch, limit)
    if not rows and not await conn.fetchval(_STILL_OURS, lease.epoch):
        raise LeaseLost
    rows.sort(key=_position)
    return rows


_STILL_OURS = "SELECT EXISTS (SELECT FROM crm.log WHERE relay_epoch = $1)"
_NUMBER = f"""
    WITH counter AS MATERIALIZED (
      SELECT position AS last FROM crm.log WHERE relay_epoch = $1 FOR UPDATE
    ), waiting AS MATERIALIZED (
      SELECT id AS waiting_id, seq, shard AS in_shard, last FROM counter CROSS JOIN LATERAL (
        SELECT id, seq, shard FROM public.crm_events
        WHERE position IS NULL ORDER BY seq LIMIT $2) AS unnumbered
    ), numbered AS MATERIALIZED (
      SELECT waiting_id, in_shard, last + row_number() OVER (ORDER BY seq) AS number FROM waiting
    ), chained AS MATERIALIZED (
      SELECT waiting_id, number, in_shard, coalesce(
        lag(number) OVER (PARTITION BY in_shard ORDER BY number), heads.position) AS before
      FROM numbered JOIN crm.shards heads ON heads.shard = in_shard
    ), heads AS (
      UPDATE crm.shards SET position = last.number
      FROM (SELECT in_shard, max(number) AS number FROM chained GROUP BY 1) AS last
      WHERE shard = last.in_shard
    ), counted AS (
      UPDATE crm.log SET position = reached
      FROM (SELECT max(number) AS reached FROM chained) AS numbers
      WHERE relay_epoch = $1 AND reached IS NOT NULL
    )
    UPDATE public.crm_events SET position = number, previous = before
    FROM chained WHERE id = waiting_id
    RETURNING {read.COLUMNS}
"""


def _position(row: asyncpg.Record) -> int:
    found: int = row["position"]
    return found


async def heads(conn: Connection) -> dict[int, int]:
    """The last position of each shard."""
    return {r["shard"]: r["position"] for r in await conn.fetch("SELECT * FROM crm.shards")}


async def published(conn: Connection, lease: RelayLease, position: int) -> None:
    """Note that everything up to `position` is on the bus. Raises `Deposed`."""
    done = await conn.execute(
        "UPDATE crm.log SET published = $2 WHERE relay_epoch = $1", lease.epoch, position
    )
    if done == "UPDATE 0":
        raise LeaseLost
