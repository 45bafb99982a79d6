"""Redrive of dead letters after a fix, without a broker; and the dropping of dead letters."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import asyncpg

from services.intake import dead_letters
from services.intake.admission import Admission
from services.intake.dead_letters import DeadLetterFilter
from services.intake.outcome import IntakeStatus
from services.intake.raw_record import RawRecord
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock

DEAD_LETTERS_PER_PAGE = 500


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
    admission = Admission(pool, settings, Clock())
    counts: Counter[str] = Counter()
    async for page in dead_letters.load_pages(pool, chosen, DEAD_LETTERS_PER_PAGE):
        records = [RawRecord.of_row(dict(row)) for row in page]
        outcomes = await admission.admit(records, is_redrive=True)
        ended = [
            row["id"] for row, outcome in zip(page, outcomes, strict=True)
            if outcome.status is not IntakeStatus.DEAD
        ]  # fmt: skip
        async with pool.acquire() as conn:
            await dead_letters.set_status(conn, ended, "redriven")
        counts.update(outcome.status.value for outcome in outcomes)
        advance(len(page))
    return counts


async def drop(pool: asyncpg.Pool, chosen: DeadLetterFilter) -> int:
    """Mark these dead letters as dropped; return how many there were."""
    dropped = 0
    async for page in dead_letters.load_pages(pool, chosen, DEAD_LETTERS_PER_PAGE):
        async with pool.acquire() as conn:
            await dead_letters.set_status(conn, [row["id"] for row in page], "dropped")
        dropped += len(page)
    return dropped


def describe(row: asyncpg.Record) -> dict[str, Any]:
    """Return a dead letter for output: bytes as text if they are UTF-8."""
    values = dict(row)
    for name in ("key", "value"):
        values[name] = None if row[name] is None else _text(row[name])
    record = RawRecord.of_row(values | {"key": row["key"], "value": row["value"]})
    values["headers"] = {
        name: None if value is None else _text(value) for name, value in record.headers
    }
    return values


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"{len(value)} bytes: {value[:200]!r}"
