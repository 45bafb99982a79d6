"""Redrive of dead letters after a fix, without a broker; and the dropping of dead letters."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

import asyncpg

from services.intake import dead_letters
from services.intake.admission import Admission
from services.intake.dead_letters import DeadLetterFilter
from services.intake.outcome import IntakeStatus
from services.intake.sealed_records import DeadLetter
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.runtime.strict_json import InvalidJson, parse_json

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


async def drop(pool: asyncpg.Pool, chosen: DeadLetterFilter) -> int:
    """Mark these dead letters as dropped; return how many there were."""
    dropped = 0
    async for page in dead_letters.load_pages(pool, chosen, DEAD_LETTERS_PER_PAGE):
        async with pool.acquire() as conn:
            await dead_letters.set_status(conn, [dead.id for dead in page], "dropped")
        dropped += len(page)
    return dropped


def describe(dead: DeadLetter) -> dict[str, Any]:
    """Return a dead letter for output: the value as JSON if it is, other bytes as text."""
    record = dead.record
    shown = {**dead.columns, "detail": dead.detail}
    if record is None:
        return shown | {"key": None, "value": None, "headers": None}
    shown["key"] = None if record.key is None else _text(record.key)
    shown["value"] = None if record.value is None else _text(record.value)
    with suppress(InvalidJson):
        shown["value"] = parse_json(record.value or b"")
    shown["headers"] = {
        name: None if value is None else _text(value) for name, value in record.headers
    }
    return shown


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"{len(value)} bytes: {value[:200]!r}"
