"""A process that appends notes of new leads and reads notes of other processes, until SIGTERM."""

import asyncio
import os
from uuid import UUID, uuid4

import asyncpg

from events.leads import LeadNoted
from events.log import read
from events.log.append import append
from events.record import Cause, NewEvent, Stream
from services.runtime.clock import Clock
from services.runtime.database import pooled
from services.runtime.key_store import prepare_key_store
from services.runtime.process import stop_event
from services.runtime.settings import Settings

_ANY_LEAD = """
    SELECT entity_id FROM crm_events WHERE event_type = 'lead.noted' AND actor <> $1
    ORDER BY random() LIMIT 1
"""


def run() -> None:
    """Run until SIGTERM. `WRITER` is the actor of its events, `ORG` and `PROPERTY` their owner."""
    asyncio.run(_write())


async def _write() -> None:
    settings, stop = Settings(), stop_event()
    await prepare_key_store(settings)
    async with pooled(settings, "note writer", size=1) as pool:
        while not stop.is_set():
            await _add_note(pool)
            await _check_note_of_another(pool)


async def _add_note(pool: asyncpg.Pool) -> None:
    lead_id = uuid4()
    new = NewEvent(
        uuid4(), LeadNoted(lead_id=lead_id, note=str(lead_id)), UUID(os.environ["ORG"]),
        UUID(os.environ["PROPERTY"]), Clock().now(), Cause(os.environ["WRITER"]),
    )  # fmt: skip
    async with pool.acquire() as conn, conn.transaction():
        await append(conn, [new], expected={})


async def _check_note_of_another(pool: asyncpg.Pool) -> None:
    """Read a note, whose key this process has not loaded yet in most cases."""
    async with pool.acquire() as conn:
        lead_id = await conn.fetchval(_ANY_LEAD, os.environ["WRITER"])
        events = [] if lead_id is None else await read.streams(conn, [Stream("lead", lead_id)])
    for recorded in events:
        if recorded.event != LeadNoted(lead_id=recorded.entity_id, note=str(recorded.entity_id)):
            raise AssertionError(f"the note of lead {lead_id} cannot be read: {recorded.event}")
