"""The live projections for operators: versions, tables and rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from events.log.connection import Connection
from projections.catalog import LIVE
from services.application.pipeline_state import GroupState


class TableState(NamedTuple):
    """A table and about how many rows it has; None if PostgreSQL has not counted them yet."""

    name: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class ProjectionState:
    """A projection: its version in this build and in the live tables, None if these lack it."""

    name: str
    build_version: int
    live_version: int | None
    rebuilt_at: datetime | None
    tables: tuple[TableState, ...]

    @property
    def is_current(self) -> bool:
        return self.live_version == self.build_version


async def list_projections(conn: Connection, group: GroupState) -> list[ProjectionState]:
    """Return the live projections, parents first. `group` is the state of their checkpoints."""
    live = _versions_in(next(iter(group.versions), ""))
    rebuilt = {
        row["name"]: row["rebuilt_at"]
        for row in await conn.fetch("SELECT name, rebuilt_at FROM crm.projections")
    }
    rows = await conn.fetch(
        "SELECT name, (SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(name)) "
        "AS rows FROM unnest($1::text[]) AS name",
        [table.live_name for table in LIVE.tables],
    )
    counts = {row["name"]: row["rows"] for row in rows}
    return [
        ProjectionState(
            projection.name, projection.version, live.get(projection.name),
            rebuilt.get(projection.name),
            tuple(
                TableState(table.live_name, _counted(counts[table.live_name]))
                for table in projection.tables
            ),
        )
        for projection in LIVE.projections
    ]  # fmt: skip


def _versions_in(text: str) -> dict[str, int]:
    """Return projection → version of a text such as `leads.2 tours.1`."""
    pairs = (part.rpartition(".") for part in text.split())
    return {name: int(version) for name, _, version in pairs}


def _counted(rows: int | None) -> int | None:
    return None if rows is None or rows < 0 else rows
