"""Standstills and lags of projection and policies, for `crm db check` and `crm status`."""

import asyncpg

from events.log.connection import Connection
from projections.catalog import LIVE
from projections.engine.standstill import find_standstill
from services.application.policy_group import POLICIES
from services.event_consumer.metrics import load_lags


async def find_standstill_problems(conn: Connection) -> list[str]:
    """Return a sentence for projection and for policies that stand still.

    In a database without the core there are none.
    """
    try:
        projection = await find_standstill(conn, LIVE)
        policies = await find_standstill(conn, POLICIES)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return []
    problems = []
    if projection is not None:
        problems.append(f"{projection}: see /readyz and the log of the projector")
    if policies is not None and policies.shards:  # a missing relay is reported above
        problems.append(f"{policies}: see /readyz and the log of the process workflows")
    return problems


async def count_lags(conn: Connection) -> dict[str, int]:
    """Return process → number of events in the log that it has not applied."""
    groups = {"projector": LIVE.name, "workflows": POLICIES.name}
    return {
        process: sum(row["events"] for row in await load_lags(conn, group))
        for process, group in groups.items()
    }
