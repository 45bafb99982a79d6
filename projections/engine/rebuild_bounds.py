"""Rebuild bounds: up to which positions a rebuild folds, and whether live tables are comparable."""

from dataclasses import dataclass

from events.log import sequencer
from events.log.connection import Connection
from projections.engine.projection_group import ProjectionGroup
from projections.engine.rebuild_result import IncompleteSelection


@dataclass(frozen=True, slots=True)
class RebuildBounds:
    """The positions up to which a rebuild folds, and what the live tables were made from.

    `is_comparable`: the live tables are of this generation of the log, not beyond it, and of these
    projection versions, so rebuilt rows must equal them. `outdated` are the tables of this
    build that the live group has not written yet, with the reason: `new` or `new version`.
    """

    positions: dict[int, int]
    is_comparable: bool
    outdated: dict[str, str]

    async def count_events(self, conn: Connection) -> int:
        """Return the number of events up to the bounds."""
        count: int = await conn.fetchval(
            "SELECT count(*) FROM public.crm_events e "
            "JOIN unnest($1::smallint[], $2::bigint[]) AS bound (shard, upto) "
            "ON e.shard = bound.shard AND e.position <= upto",
            list(self.positions),
            list(self.positions.values()),
        )
        return count


async def read_bounds(
    conn: Connection, live: ProjectionGroup, part: ProjectionGroup, generation: int
) -> RebuildBounds:
    """Return the positions of the live tables, or the shard heads where those are lower.

    Tables are beyond the log after a restore. The bounds do not go beyond the live positions: up to
    there the parked events are known. A later event is applied or parked by the live group.
    Raise `IncompleteSelection` if a projection outside `part` has a new version.
    """
    rows = await conn.fetch(
        "SELECT shard, position, generation, version FROM crm.checkpoints "
        "WHERE projection_group = $1",
        live.name,
    )
    stored = {word for row in rows for word in row["version"].split()}
    changed = stored.symmetric_difference(live.version.split())
    names = {word.rpartition(".")[0] for word in changed}
    others = {p.name for p in live.projections} - {p.name for p in part.projections}
    if left_out := names & others:
        raise IncompleteSelection(left_out)
    heads = await sequencer.read_shard_heads(conn)
    positions = {row["shard"]: min(row["position"], heads[row["shard"]]) for row in rows}
    is_same_history = all(
        row["generation"] == generation and row["position"] <= heads[row["shard"]] for row in rows
    )
    stored_names = {word.rpartition(".")[0] for word in stored}
    outdated = {
        table.name: "new version" if projection.name in stored_names else "new"
        for projection in part.projections if projection.name in names
        for table in projection.tables
    }  # fmt: skip
    return RebuildBounds(positions, is_same_history and not changed, outdated)
