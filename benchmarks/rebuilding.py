"""Rebuilding: from the log into shadow tables, indexes, comparison, swap."""

import os
import time

from services.replay import replay
from services.runtime.database import pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.settings import Settings


async def rebuild(settings: Settings) -> dict[str, object]:
    """Seconds of the whole, and of its stages: the stage in which each moment began.

    A worker a core folds; that they start is not timed, as psql's start is not.
    """
    collect_rarely()
    marks: list[tuple[str, float]] = []

    def progress(stage: str, _done: int, _whole: int) -> None:
        if not marks or marks[-1][0] != stage:
            marks.append((stage, time.perf_counter()))

    cores = os.cpu_count() or 1
    async with (
        pooled(settings, "bench rebuild", role=None) as pool,
        replay.workers(settings, (), cores) as workers,
        replay.rebuilding(pool, (), progress, workers=workers) as rebuilding,
    ):
        began = time.perf_counter()
        outcome = await rebuilding.rebuild(repair=False)
        ended = time.perf_counter()
    if not (outcome.swapped and outcome.equal):
        raise RuntimeError(f"the rebuilt rows differ: {outcome.comparisons}")
    stages = {
        stage: after - at
        for (stage, at), (_, after) in zip(marks, [*marks[1:], ("", ended)], strict=True)
    }
    return {"events": outcome.events, "seconds": ended - began, "stages": stages}
