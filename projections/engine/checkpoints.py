"""Checkpoints: how far a unit has come in each shard, and who may move it on.

Every write of a batch begins by moving its checkpoint rows, conditional on everything the writer
believes: its epoch, the position it starts from, the generation of the log and the version of the
code. A row that does not move means that somebody else owns the shard now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from events.log.connection import Connection
from events.log.shard import SHARDS


class Fenced(Exception):
    """These shards belong to another consumer now: roll back and let go of them."""

    def __init__(self, shards: Iterable[int]) -> None:
        self.shards = sorted(shards)
        super().__init__(f"another consumer has taken over shards {self.shards}")


class WrongVersion(Exception):
    """The live tables hold another version of the projections, or another life of the log."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a consumer believes of one shard: it stands in the database until it is fenced."""

    position: int
    epoch: int


async def create(conn: Connection, group: str, version: str, generation: int) -> None:
    """Make the checkpoint rows of a unit where they are not there yet."""
    await conn.execute(
        "INSERT INTO crm.checkpoints (unit, shard, version, generation) "
        "SELECT $1, shard, $2, $3 FROM generate_series(0, $4 - 1) AS shard ON CONFLICT DO NOTHING",
        group,
        version,
        generation,
        SHARDS,
    )


async def claim(
    conn: Connection,
    group: str,
    version: str,
    generation: int,
    shards: Sequence[int],
    owner: str,
) -> dict[int, Checkpoint]:
    """Become the owner of shards: their epoch goes up, which fences whoever had them.

    Waits for a transaction the last owner may have open. Raises `WrongVersion`.
    """
    rows = await conn.fetch(
        """
        WITH wanted AS (
          SELECT unit, shard FROM crm.checkpoints
          WHERE unit = $1 AND shard = ANY($2::smallint[]) ORDER BY shard FOR UPDATE)
        UPDATE crm.checkpoints held SET owner_epoch = owner_epoch + 1, owner = $3
        FROM wanted WHERE held.unit = wanted.unit AND held.shard = wanted.shard
        RETURNING held.shard, position, owner_epoch, version, generation
        """,
        group,
        list(shards),
        owner,
    )
    for row in rows:
        if row["version"] != version:
            raise WrongVersion(
                f"the tables of {group} hold projections {row['version']}, this build has "
                f"{version}: run `crm replay rebuild --all` with this build, then start it again"
            )
        if row["generation"] != generation:
            raise WrongVersion(
                f"the tables of {group} were made from generation {row['generation']} of the log, "
                f"which is at {generation}: run `crm replay rebuild --all`"
            )
    if len(rows) != len(set(shards)):
        raise WrongVersion(f"unit {group} has no checkpoints: run `crm db migrate`")
    return {row["shard"]: Checkpoint(row["position"], row["owner_epoch"]) for row in rows}


async def advance(
    conn: Connection,
    group: str,
    version: str,
    generation: int,
    moves: Mapping[int, tuple[Checkpoint, int]],
) -> None:
    """Move checkpoints, as the first statement of a batch's transaction: shard → (from, to).

    The same statement marks the transaction as the engine's, which may write derived tables, and
    as one that need not wait for the disk: its checkpoints are lost with its rows. Raises `Fenced`
    for shards whose row is not what was believed.
    """
    shards = sorted(moves)
    moved = await conn.fetch(
        """
        UPDATE crm.checkpoints held
        SET position = move.target, moved_at = clock_timestamp()
        FROM unnest($4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[])
          AS move (shard, believed, epoch, target)
        WHERE held.unit = $1 AND held.shard = move.shard AND held.version = $2
          AND held.generation = $3 AND held.position = move.believed
          AND held.owner_epoch = move.epoch
        RETURNING held.shard, set_config('crm.engine', 'on', true),
          set_config('synchronous_commit', 'off', true)
        """,
        group,
        version,
        generation,
        shards,
        [moves[shard][0].position for shard in shards],
        [moves[shard][0].epoch for shard in shards],
        [moves[shard][1] for shard in shards],
    )
    if len(moved) != len(shards):
        raise Fenced(set(shards) - {row["shard"] for row in moved})


async def positions(conn: Connection, group: str) -> dict[int, int]:
    """Shard → position."""
    rows = await conn.fetch("SELECT shard, position FROM crm.checkpoints WHERE unit = $1", group)
    return {row["shard"]: row["position"] for row in rows}


async def hold(conn: Connection, group: str) -> dict[int, int]:
    """Shard → position, held still until the caller's transaction ends."""
    rows = await conn.fetch(
        "SELECT shard, position FROM crm.checkpoints WHERE unit = $1 ORDER BY shard FOR UPDATE",
        group,
    )
    return {row["shard"]: row["position"] for row in rows}


async def begin(
    conn: Connection, group: str, version: str, generation: int, bounds: Mapping[int, int]
) -> None:
    """Make a unit's checkpoints afresh at certain positions."""
    await forget(conn, group)
    await create(conn, group, version, generation)
    await take_over(conn, group, version, generation, bounds)


async def take_over(
    conn: Connection, group: str, version: str, generation: int, bounds: Mapping[int, int]
) -> None:
    """The checkpoints speak of other tables from now on: whoever wrote the old ones is fenced."""
    await conn.execute(
        "UPDATE crm.checkpoints SET owner_epoch = owner_epoch + 1, version = $2, generation = $3, "
        "position = upto FROM unnest($4::smallint[], $5::bigint[]) AS bound (shard, upto) "
        "WHERE unit = $1 AND checkpoints.shard = bound.shard",
        group,
        version,
        generation,
        list(bounds),
        list(bounds.values()),
    )


async def forget(conn: Connection, group: str) -> None:
    await conn.execute("DELETE FROM crm.checkpoints WHERE unit = $1", group)
