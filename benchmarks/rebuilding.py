"""Measurement of a rebuild: from the log into shadow tables, indexes, comparison, swap."""

import os
import time

from benchmarks.growth.curve import Curve
from services.replay import replay
from services.runtime.database import pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.settings import Settings

FOLDING = "events"
"""The stage of a rebuild that folds the log."""


async def rebuild(settings: Settings, step: int = 0, events: int = 0) -> dict[str, object]:
    """Measure the seconds of a rebuild and of its stages, with one worker for each core.

    The start of the workers is not measured, as the start of psql is not. The curve is that of
    folding.
    """
    collect_rarely()
    marks: list[tuple[str, float]] = []
    curve = Curve("rebuild", events, step, settings.home)

    def progress(stage: str, done: int, _total: int) -> None:
        if not marks or marks[-1][0] != stage:
            marks.append((stage, time.perf_counter()))
        if stage == FOLDING:
            curve.add_without_sizes(done)

    cores = os.cpu_count() or 1
    async with (
        pooled(settings, "bench rebuild", role=None) as pool,
        replay.start_workers(settings, (), cores) as workers,
        replay.open_rebuild(pool, (), progress, workers=workers) as rebuild_,
    ):
        curve.begin()
        started = time.perf_counter()
        result = await rebuild_.rebuild(repair=False)
        ended = time.perf_counter()
    if not (result.swapped and result.equal):
        raise RuntimeError(f"the rebuilt rows differ: {result.comparisons}")
    stages = {
        stage: after - at
        for (stage, at), (_, after) in zip(marks, [*marks[1:], ("", ended)], strict=True)
    }
    return {
        "events": result.events, "seconds": ended - started, "stages": stages, **curve.result()
    }  # fmt: skip
