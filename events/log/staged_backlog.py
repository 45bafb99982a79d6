"""The number and the age of the staged changes, for metrics and the health check."""

from dataclasses import dataclass

from events.log.connection import Connection


@dataclass(frozen=True, slots=True)
class StagedBacklog:
    """The staged changes that wait, with the age of the oldest one, and those that are refused.

    `reason` is that of one refused change.
    """

    waiting: int
    seconds: float
    refused: int
    reason: str | None = None


async def read_backlog(conn: Connection) -> StagedBacklog:
    """Count the staged changes."""
    row = await conn.fetchrow(
        "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(staged_at)), 0), "
        "count(problem), min(problem) FROM crm.staged_changes"
    )
    if row is None:
        raise RuntimeError("an aggregate returns a row")
    return StagedBacklog(row[0], float(row[1]), row[2], row[3])
