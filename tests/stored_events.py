"""Events of the log with their payloads in clear."""

from typing import Any

import asyncpg

from events.event import Event
from events.log import read


async def read_stored_events(
    pool: asyncpg.Pool, condition: str = "true", *arguments: object
) -> list[dict[str, Any]]:
    """Return the rows of the log that fulfil a condition, in the order of their append.

    `payload` has the clear fields of the event and its personal values.
    """
    rows = await pool.fetch(
        f"SELECT {read.COLUMNS} FROM crm_events WHERE {condition} ORDER BY seq", *arguments
    )
    events: list[dict[str, Any]] = []
    for row, recorded in zip(rows, await read.decode_rows(pool, rows), strict=True):
        assert isinstance(recorded.event, Event)
        payload = recorded.event.model_dump(mode="json", exclude_unset=True)
        events.append({**row, "payload": payload})
    return events
