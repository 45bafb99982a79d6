"""Dead letters driven in again, after a fix, by the same door and without a broker; or given up."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import asyncpg

from services.intake import dead_letters
from services.intake.admission import Door
from services.intake.dead_letters import Wanted
from services.intake.outcome import Fate
from services.intake.raw_record import Received
from services.intake.settings import IntakeSettings

LETTERS_AT_A_TIME = 500


async def redrive(
    pool: asyncpg.Pool,
    settings: IntakeSettings,
    wanted: Wanted,
    advance: Callable[[int], None],
) -> Counter[str]:
    """Take these letters in, all of them, oldest first; what is refused again stays open with its
    new reason.

    Returns fate → how many. A crash in between is harmless: do it again.
    """
    door = Door(pool, settings)
    fates: Counter[str] = Counter()
    async for part in dead_letters.pages(pool, wanted, LETTERS_AT_A_TIME):
        outcomes = await door.take_in([Received.of_row(dict(row)) for row in part], redriven=True)
        gone = [
            row["id"] for row, outcome in zip(part, outcomes, strict=True)
            if outcome.fate is not Fate.DEAD
        ]  # fmt: skip
        async with pool.acquire() as conn:
            await dead_letters.mark(conn, gone, "redriven")
        fates.update(outcome.fate.value for outcome in outcomes)
        advance(len(part))
    return fates


async def give_up(pool: asyncpg.Pool, wanted: Wanted) -> int:
    """Mark these letters as dropped, all of them; how many they were."""
    dropped = 0
    async for part in dead_letters.pages(pool, wanted, LETTERS_AT_A_TIME):
        async with pool.acquire() as conn:
            await dead_letters.mark(conn, [row["id"] for row in part], "dropped")
        dropped += len(part)
    return dropped


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """A letter for people and machines: bytes as text where they are text."""
    told = dict(row)
    for name in ("key", "value"):
        told[name] = None if row[name] is None else _text(row[name])
    record = Received.of_row(told | {"key": row["key"], "value": row["value"]})
    told["headers"] = {
        name: None if value is None else _text(value) for name, value in record.headers
    }
    return told


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"{len(value)} bytes: {value[:200]!r}"
