"""Checkpoints: the last applied position of a projection group in each shard, and its owner.

Each write of a batch first moves its checkpoint rows, on condition of everything that the writer
assumes: its owner epoch, the position before the batch, the generation of the log and the versions
of the projections. If a row does not match, another consumer owns the shard.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from events.log import sequencer
from events.log.connection import Connection
from events.log.shard import SHARDS
from projections.engine.host_triggers import ENGINE_SEARCH_PATH


class FencingError(Exception):
    """Another consumer owns these shards: roll back and release them."""

    def __init__(
        self, shards: Iterable[int], reason: str = "another consumer has taken over"
    ) -> None:
        self.shards = sorted(shards)
        super().__init__(f"{reason} shards {self.shards}: own them again to go on")


class BeyondLog(FencingError):
    """A move of checkpoints beyond the shard heads: the log does not have these events."""


class WrongVersion(Exception):
    """The live tables are of other projection versions, or of another generation of the log."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The position and owner epoch that a consumer assumes for one shard."""

    position: int
    epoch: int


async def create(conn: Connection, group: str, version: str, generation: int) -> None:
    """Insert the missing checkpoint rows of a projection group, at position 0."""
    await conn.execute(
        "INSERT INTO crm.checkpoints (projection_group, shard, version, generation) "
        "SELECT $1, shard, $2, $3 FROM generate_series(0, $4 - 1) AS shard ON CONFLICT DO NOTHING",
        group,
        version,
        generation,
        SHARDS,
    )


async def require_version(conn: Connection, group: str, version: str) -> None:
    """Raise `WrongVersion` if the live tables are of other projection versions."""
    rows = await conn.fetch(
        "SELECT DISTINCT version FROM crm.checkpoints WHERE projection_group = $1", group
    )
    for row in rows:
        if row["version"] != version:
            raise _wrong_version(row["version"], version)


def _wrong_version(stored: str, build: str) -> WrongVersion:
    """Return the error that names the projections to rebuild."""
    changed = sorted(set(build.split()) - set(stored.split()))
    if not changed:
        removed = ", ".join(sorted(set(stored.split()) - set(build.split())))
        return WrongVersion(
            f"this build lacks the projections {removed}, which the tables contain: start the "
            "build that has them, or run `crm replay rebuild --all`"
        )
    names = [name.partition(".")[0] for name in changed]
    return WrongVersion(
        f"the tables do not contain {', '.join(changed)} yet: run `crm replay rebuild "
        f"{' '.join(names)}`, then this process goes on"
    )


async def own(
    conn: Connection,
    group: str,
    version: str,
    generation: int,
    shards: Sequence[int],
    owner: str,
) -> dict[int, Checkpoint]:
    """Become the owner of shards and return their checkpoints. Raise `WrongVersion`.

    The owner epoch increases, which fences the former owner. The row lock waits for a transaction
    that the former owner has open, so the returned positions are final. The rows are locked in the
    order of the shards: two consumers that own several shards at once cannot deadlock.
    """
    rows = await conn.fetch(
        """
        WITH requested AS (
          SELECT projection_group, shard FROM crm.checkpoints
          WHERE projection_group = $1 AND shard = ANY($2::smallint[]) ORDER BY shard FOR UPDATE)
        UPDATE crm.checkpoints c SET owner_epoch = owner_epoch + 1, owner = $3
        FROM requested
        WHERE c.projection_group = requested.projection_group AND c.shard = requested.shard
        RETURNING c.shard, position, owner_epoch, version, generation
        """,
        group,
        list(shards),
        owner,
    )
    for row in rows:
        if row["version"] != version:
            raise _wrong_version(row["version"], version)
        if row["generation"] != generation:
            raise WrongVersion(
                f"the tables of {group} were made from generation {row['generation']} of the log, "
                f"which is at {generation}: run `crm replay rebuild --all`"
            )
    if len(rows) != len(set(shards)):
        raise WrongVersion(f"projection group {group} has no checkpoints: run `crm db migrate`")
    return {row["shard"]: Checkpoint(row["position"], row["owner_epoch"]) for row in rows}


async def advance(
    conn: Connection,
    group: str,
    version: str,
    generation: int,
    moves: Mapping[int, tuple[Checkpoint, int]],
) -> None:
    """Move checkpoints: shard → (assumed checkpoint, new position). Raise `FencingError`.

    A checkpoint never passes the shard head. A checkpoint beyond the log would end its shard: all
    later events would count as duplicates.

    It is the first statement of a batch's transaction. The same statement sets local settings, to
    save round trips: `crm.engine` lets the transaction write derived tables, the search path is the
    engine's, and `synchronous_commit = off` is safe because a crash loses the checkpoints together
    with the rows.
    """
    shards = sorted(moves)
    moved = await conn.fetch(
        f"""
        UPDATE crm.checkpoints c
        SET position = move.target, moved_at = clock_timestamp()
        FROM unnest($4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[])
          AS move (shard, position, epoch, target)
          JOIN crm.shards head ON head.shard = move.shard AND head.position >= move.target
        WHERE c.projection_group = $1 AND c.shard = move.shard AND c.version = $2
          AND c.generation = $3 AND c.position = move.position
          AND c.owner_epoch = move.epoch
        RETURNING c.shard, set_config('crm.engine', 'on', true),
          set_config('search_path', '{ENGINE_SEARCH_PATH}', true),
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
        heads = await sequencer.read_shard_heads(conn)
        if beyond := [shard for shard in shards if moves[shard][1] > heads[shard]]:
            raise BeyondLog(beyond, "the log does not have the events that were applied to")
        raise FencingError(set(shards) - {row["shard"] for row in moved})


async def positions(conn: Connection, group: str) -> dict[int, int]:
    """Return shard → position."""
    rows = await conn.fetch(
        "SELECT shard, position FROM crm.checkpoints WHERE projection_group = $1", group
    )
    return {row["shard"]: row["position"] for row in rows}


async def owner_epochs(conn: Connection, group: str) -> dict[int, int]:
    """Return shard → owner epoch."""
    rows = await conn.fetch(
        "SELECT shard, owner_epoch FROM crm.checkpoints WHERE projection_group = $1", group
    )
    return {row["shard"]: row["owner_epoch"] for row in rows}


async def beyond_log(conn: Connection, group: str) -> list[int]:
    """Return the shards whose checkpoint is beyond the shard head, which no writer can cause.

    The log was restored without the tables, or damaged. All later events count as duplicates.
    """
    rows = await conn.fetch(
        "SELECT c.shard FROM crm.checkpoints c JOIN crm.shards head USING (shard) "
        "WHERE c.projection_group = $1 AND c.position > head.position ORDER BY c.shard",
        group,
    )
    return [row["shard"] for row in rows]


async def lock_positions(conn: Connection, group: str) -> dict[int, int]:
    """Return shard → position, and keep the rows locked until the caller's transaction ends."""
    rows = await conn.fetch(
        "SELECT shard, position FROM crm.checkpoints WHERE projection_group = $1 "
        "ORDER BY shard FOR UPDATE",
        group,
    )
    return {row["shard"]: row["position"] for row in rows}


async def recreate(
    conn: Connection, group: str, version: str, generation: int, bounds: Mapping[int, int]
) -> None:
    """Replace the checkpoint rows of a group by new ones at these positions (shard → position)."""
    await delete(conn, group)
    await create(conn, group, version, generation)
    await reset(conn, group, version, generation, bounds)


async def reset(
    conn: Connection, group: str, version: str, generation: int, bounds: Mapping[int, int]
) -> None:
    """Set the checkpoints for other tables (shard → position), and fence the former owners."""
    await conn.execute(
        "UPDATE crm.checkpoints SET owner_epoch = owner_epoch + 1, version = $2, generation = $3, "
        "position = upto FROM unnest($4::smallint[], $5::bigint[]) AS bound (shard, upto) "
        "WHERE projection_group = $1 AND checkpoints.shard = bound.shard",
        group,
        version,
        generation,
        list(bounds),
        list(bounds.values()),
    )


async def delete(conn: Connection, group: str) -> None:
    """Delete the checkpoint rows of a group."""
    await conn.execute("DELETE FROM crm.checkpoints WHERE projection_group = $1", group)
