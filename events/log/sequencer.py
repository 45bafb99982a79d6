"""The sequencer: it assigns positions without gaps to committed rows, under a relay lease.

Rows are numbered in the order of `seq`, an identity column assigned at insert. A row that commits
late is numbered later: no row is skipped, and a long transaction elsewhere delays nothing. A row
that was written after another was read has a higher `seq`, so causes stay before their effects.
"""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from events.log import read
from events.log.connection import Connection


class LeaseLost(Exception):
    """A relay lease that ended because another relay has a newer epoch: stop and stand by."""


@dataclass(frozen=True, slots=True)
class RelayLease:
    """The right to number and publish, valid while `crm.log` contains this epoch."""

    epoch: int


class LogState(NamedTuple):
    """The log id and generation, and the last numbered and the last published position."""

    id: UUID
    generation: int
    position: int
    published: int


async def read_log_state(conn: Connection) -> LogState:
    """Return the state of the log. Raises `RuntimeError` if the database is not migrated."""
    row = await conn.fetchrow("SELECT id, generation, position, published FROM crm.log")
    if row is None:
        raise RuntimeError("crm.log is empty: run `crm db migrate`")
    return LogState(*row.values())


async def acquire(conn: Connection, name: str, lease_seconds: float) -> RelayLease | None:
    """Take the relay lease if it has expired, with a new epoch. Return None if it has not."""
    # The time is the database's, so that clocks of relays need not agree. One UPDATE of one row:
    # of two relays that try at once, the second finds the lease renewed and gets no row.
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
    """Extend the relay lease. Raises `LeaseLost`."""
    status = await conn.execute(
        "UPDATE crm.log SET relay_lease_until = clock_timestamp() + make_interval(secs => $2) "
        "WHERE relay_epoch = $1",
        lease.epoch,
        lease_seconds,
    )
    if status == "UPDATE 0":
        raise LeaseLost


async def release(conn: Connection, lease: RelayLease) -> None:
    """End the relay lease, so that another relay can take it at once."""
    await conn.execute(
        "UPDATE crm.log SET relay_lease_until = '-infinity' WHERE relay_epoch = $1", lease.epoch
    )


async def has_unnumbered_rows(conn: Connection) -> bool:
    """Return whether a committed row has no position: a cheap query, made for polling."""
    exists: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM public.crm_events WHERE position IS NULL)"
    )
    return exists


async def assign_positions(conn: Connection, lease: RelayLease, limit: int) -> list[asyncpg.Record]:
    """Assign positions to the next rows, at most `limit`, and return the rows in order.

    The positions are committed before the rows are returned. Raises `LeaseLost`.
    """
    # One statement is one commit. It first locks the row of the counter by its epoch: the
    # statement of a replaced relay waits for that lock, then finds another epoch and numbers
    # nothing. An advisory lock would not fence, because a pooler can move it to another client.
    rows = await conn.fetch(_ASSIGN_POSITIONS, lease.epoch, limit)
    if not rows and not await conn.fetchval(_HAS_EPOCH, lease.epoch):
        raise LeaseLost
    rows.sort(key=_position)
    return rows


_HAS_EPOCH = "SELECT EXISTS (SELECT FROM crm.log WHERE relay_epoch = $1)"
_ASSIGN_POSITIONS = f"""
    WITH counter AS MATERIALIZED (
      SELECT position AS last FROM crm.log WHERE relay_epoch = $1 FOR UPDATE
    ), unnumbered AS MATERIALIZED (
      SELECT id AS unnumbered_id, seq, shard AS in_shard, last FROM counter CROSS JOIN LATERAL (
        SELECT id, seq, shard FROM public.crm_events
        WHERE position IS NULL ORDER BY seq LIMIT $2) AS next_rows
    ), numbered AS MATERIALIZED (
      SELECT unnumbered_id, in_shard, last + row_number() OVER (ORDER BY seq) AS number
      FROM unnumbered
    ), chained AS MATERIALIZED (
      SELECT unnumbered_id, number, in_shard, coalesce(
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
    FROM chained WHERE id = unnumbered_id
    RETURNING {read.BUS_COLUMNS}
"""
# `counter` is the fence and the last position; `chained` adds the previous position of each shard:
# the one before in this batch, or else the shard head. A data-modifying WITH runs to its end also
# where nothing reads it, so `heads` and `counted` move the shard heads and the counter.


def _position(row: asyncpg.Record) -> int:
    position: int = row["position"]
    return position


async def read_shard_heads(conn: Connection) -> dict[int, int]:
    """Return shard → the last position in it, 0 for an empty shard."""
    return {r["shard"]: r["position"] for r in await conn.fetch("SELECT * FROM crm.shards")}


async def mark_published(conn: Connection, lease: RelayLease, position: int) -> None:
    """Store that all positions up to `position` are on the bus. Raises `LeaseLost`."""
    status = await conn.execute(
        "UPDATE crm.log SET published = $2 WHERE relay_epoch = $1", lease.epoch, position
    )
    if status == "UPDATE 0":
        raise LeaseLost
