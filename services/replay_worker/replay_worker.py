"""The work of the replay worker. It keeps the role of the database address, as `crm replay` does.

A rebuild moves tables between schemas, which only their owner may do. With another role a request
fails and says so. Retries of parked events do not wait for a rebuild that is going on.
"""

import asyncio
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from projections.engine.rebuild import Rebuild
from projections.engine.rebuild_result import RebuildDifference, RebuildResult
from services.application.changed_rows import describe_comparison
from services.application.operator_requests import OperatorRequest, RequestKind
from services.application.parked_events import retry_all
from services.application.request_worker import RequestFailed, RequestProgress, RequestWorker
from services.replay.runner import RebuildImpossible, run_rebuild
from services.runtime.clock import Clock
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.process import Checks
from services.runtime.reachability import DATABASE, reachability_check
from services.runtime.settings import Settings
from services.runtime.tasks import run_until_first_ends

POOL_SIZE = 2
FOLD_PROCESSES = max(1, (os.cpu_count() or 1) // 2)
"""Processes that fold a long log: live work needs the other cores."""


async def work(settings: Settings, stop: asyncio.Event, checks: Checks, _clock: Clock) -> None:
    """Do requests until stopped. A rebuild that is going on then is begun again later."""
    checks["database"] = reachability_check(settings, DATABASE)
    async with pooled(settings, "crm replay_worker", size=POOL_SIZE) as pool:
        rebuilds = RequestWorker(
            pool, (RequestKind.REBUILD, RequestKind.VERIFY), partial(rebuild, settings)
        )
        retries = RequestWorker(pool, (RequestKind.RETRY_PARKED,), partial(retry_parked, settings))
        await run_until_first_ends(stop.wait(), rebuilds.run(stop), retries.run(stop))


async def rebuild(
    settings: DatabaseSettings, request: OperatorRequest, progress: RequestProgress
) -> Mapping[str, Any]:
    """Rebuild or verify the projections of a request; all if it names none."""
    names: list[str] = request.parameters["names"]

    async def act(chosen: Rebuild) -> RebuildResult:
        if request.kind is RequestKind.VERIFY:
            return await chosen.verify()
        return await chosen.rebuild(repair=False)

    try:
        result = await run_rebuild(names, "log", FOLD_PROCESSES, act, progress.report, settings)
    except RebuildDifference as error:
        result = RebuildResult(comparisons=list(error.comparisons))
    except RebuildImpossible as error:
        raise RequestFailed(str(error)) from error
    return describe_result(result)


async def retry_parked(
    settings: DatabaseSettings, _request: OperatorRequest, progress: RequestProgress
) -> Mapping[str, Any]:
    """Apply all parked events again."""
    progress.report("parked events", 0, 0)
    async with pooled(settings, "crm parked") as pool:
        result = await retry_all(pool)
    return {
        "applied": result.applied, "dropped": result.dropped, "still_parked": result.still_parked,
    }  # fmt: skip


def describe_result(result: RebuildResult) -> dict[str, Any]:
    """Return a result for the table of requests, with the first rows that differ.

    Their personal values are hidden. All rows of an outdated table are expected to differ, so none
    of them is kept.
    """
    return {
        "events": result.events, "swapped": result.swapped, "equal": result.equal,
        "parked": result.parked,
        "standstill": str(result.standstill) if result.standstill else None,
        "tables": [
            {
                "table": comparison.table, "live_rows": comparison.live_rows,
                "rebuilt_rows": comparison.rebuilt_rows, "equal": comparison.equal,
                "outdated": result.outdated.get(comparison.table),
                "differences": []
                if comparison.table in result.outdated
                else describe_comparison(comparison),
            }
            for comparison in result.comparisons
        ],
    }  # fmt: skip
