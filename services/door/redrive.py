"""Driving dead letters in again, after a fix: the same door, the same checks, no broker needed."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.door import dead_letters
from services.door.accept import Door
from services.door.outcome import Fate
from services.door.received import Received
from services.door.settings import DoorSettings

LETTERS_AT_A_TIME = 500


async def redrive(
    pool: asyncpg.Pool,
    settings: DoorSettings,
    letters: Sequence[asyncpg.Record],
    advance: Callable[[int], None],
) -> Counter[str]:
    """Take these letters in, oldest first; what is refused again stays open with its new reason.

    Returns fate → how many. A crash in between is harmless: do it again.
    """
    door = Door(pool, settings)
    fates: Counter[str] = Counter()
    for start in range(0, len(letters), LETTERS_AT_A_TIME):
        part = letters[start : start + LETTERS_AT_A_TIME]
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


def absent(wanted: Sequence[UUID], found: Sequence[asyncpg.Record]) -> list[UUID]:
    """The ids among `wanted` that are no dead letters."""
    there = {row["id"] for row in found}
    return [key for key in wanted if key not in there]
