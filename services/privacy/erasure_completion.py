"""The completion of erasures: copies outside of the log are erased, then keys are destroyed.

Each step can be repeated. The keys are the last: until they are destroyed, the log says which texts
identify the person, and the erasure is open for the next attempt.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from uuid import UUID, uuid5

import asyncpg

from events.keys import store
from events.keys.errors import DataKeyMissing
from events.keys.ring import current_ring
from events.log.append import append
from events.log.connection import Connection
from events.log.locks import try_lock_name
from events.privacy import LeadErasureCompleted
from events.record import Cause, NewEvent
from services.application.person_terms import PersonTerms
from services.application.sealed_tables import erase_rows, find_rows
from services.privacy.erasures import ErasureState, LeadErasure, list_erasures
from services.privacy.person_texts import read_identifying_texts
from services.runtime import metrics

CAUSE = Cause(actor="erasure")
_LOCK = "erasure"


async def complete_erasures(
    pool: asyncpg.Pool,
    now: datetime,
    *,
    lead_ids: Collection[UUID] | None = None,
    since: datetime | None = None,
) -> list[LeadErasure]:
    """Complete the erasures that all tables contain; return those that are still open.

    `lead_ids` are the leads of the person, all erasures otherwise. Raises `DataKeyMissing` after
    the erasures that can be completed without the missing key.
    """
    erasures = await list_erasures(pool, lead_ids=lead_ids, since=since)
    unfinished: list[LeadErasure] = []
    missing: DataKeyMissing | None = None
    for erasure in erasures:
        is_ready = erasure.state is ErasureState.FOLDED
        try:
            if erasure.open_subjects and not (is_ready and await _complete(pool, erasure, now)):
                unfinished.append(erasure)
        except DataKeyMissing as error:
            missing = error
    if missing is not None:
        raise missing
    return unfinished


async def _complete(pool: asyncpg.Pool, erasure: LeadErasure, now: datetime) -> bool:
    """Complete one erasure; return False if another process does so now."""
    async with pool.acquire() as conn:
        async with conn.transaction():
            if not await try_lock_name(conn, f"{_LOCK}/{erasure.lead_id}"):
                return False
            erased = await _erase_copies(conn, erasure)
            await _append_completion(conn, erasure, erased, now)
        # Not before the commit: without the keys, a repetition finds no texts of the person.
        await current_ring().destroy(conn, erasure.open_subjects)
    return True


async def _erase_copies(conn: Connection, erasure: LeadErasure) -> Counter[str]:
    """Erase rows about the person that are no events; return their number by table."""
    texts = await read_identifying_texts(conn, erasure.subjects)
    person = PersonTerms(frozenset({erasure.property_id}), erasure.subjects, texts)
    found = await find_rows(conn, person)
    await erase_rows(conn, found)
    return Counter(row.table.value for row in found)


async def _append_completion(
    conn: Connection, erasure: LeadErasure, erased: Counter[str], now: datetime
) -> None:
    """Append what was destroyed, once for the same erasure."""
    erasure_id = erasure.event_ids[-1]
    event_id = uuid5(erasure_id, LeadErasureCompleted.name)
    if await conn.fetchval("SELECT true FROM public.crm_events WHERE id = $1", event_id):
        return
    keys = await store.read_keys_of(await current_ring().store_of(conn), erasure.open_subjects)
    completed = LeadErasureCompleted(
        lead_id=erasure.lead_id,
        erasure_event_id=erasure_id,
        keys=sum(key.wrapped is not None for key in keys.values()),
        erased_rows=dict(erased),
    )
    new = NewEvent(event_id, completed, erasure.org_id, erasure.property_id, now, CAUSE)
    await append(conn, [new], expected={})
    metrics.APPENDED.labels(completed.name).inc()
