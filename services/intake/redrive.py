"""Redrive of dead letters after a fix, without a broker."""

from collections import Counter
from collections.abc import Callable
from math import inf

import asyncpg

from services.application import dead_letters
from services.application.dead_letters import DEAD_LETTERS_PER_PAGE, DeadLetterFilter
from services.intake.admission import Admission
from services.intake.outcome import IntakeStatus
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock


async def redrive(
    pool: asyncpg.Pool,
    settings: IntakeSettings,
    chosen: DeadLetterFilter,
    advance: Callable[[int], None],
) -> Counter[str]:
    """Admit these dead letters again, oldest first; return status → number of records.

    A record that is rejected again stays open with its new reason. After a crash, repeat the
    redrive.
    """
    # Without a limit of time: an operator learns what became of each record.
    admission = Admission(pool, settings.model_copy(update={"batch_seconds": inf}), Clock())
    counts: Counter[str] = Counter()
    async for page in dead_letters.load_pages(pool, chosen, DEAD_LETTERS_PER_PAGE):
        records = [dead.record for dead in page if dead.record is not None]
        outcomes = await admission.admit(records, is_redrive=True)
        ended = [
            record.id for record, outcome in zip(records, outcomes, strict=True)
            if outcome.status is not IntakeStatus.DEAD
        ]  # fmt: skip
        async with pool.acquire() as conn:
            await dead_letters.set_status(conn, ended, "redriven")
        counts.update(outcome.status.value for outcome in outcomes)
        advance(len(page))
    return counts
