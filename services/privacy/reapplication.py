"""Erasures that a restored log lacks: they are appended again, from the rows of destroyed keys."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg

from events.keys.store import read_erased
from events.leads import LeadErased
from events.log.append import append
from events.log.connection import Connection
from events.log.erasures import ErasedSubject, find_lost_erasures
from events.record import Cause, NewEvent
from services.application.command_handler import transact
from services.application.erasures import erase
from services.application.person_terms import PersonTerms
from services.application.sealed_tables import erase_rows, find_rows
from services.application.unit_of_work import Scope, UnitOfWork

REASON = "applied again after a restore"


class LostErasure(NamedTuple):
    """The erasure of a lead that the log lacks, with its sessions and conversations."""

    org_id: UUID
    property_id: UUID
    lead_id: UUID
    session_ids: tuple[UUID, ...]
    conversation_ids: tuple[UUID, ...]


async def reapply_erasures(pool: asyncpg.Pool, now: datetime, cause: Cause) -> list[UUID]:
    """Append every erasure that the log lacks again; return the leads.

    The tables still have the texts of the person: with them, other contents are found and erased.
    """
    async with pool.acquire() as conn:
        lost = await _group(conn)
    for erasure in lost:
        scope = Scope(erasure.org_id, erasure.property_id, now, cause)

        async def work(uow: UnitOfWork, erasure: LostErasure = erasure) -> None:
            await _append(uow, erasure)
            if erasure.lead_id not in (*erasure.session_ids, *erasure.conversation_ids):
                await erase(uow, erasure.lead_id, reason=REASON, by=None)

        await transact(pool, scope, work)
    return [erasure.lead_id for erasure in lost]


async def _append(uow: UnitOfWork, erasure: LostErasure) -> None:
    """Append the event before anything is read: without it, the missing keys are an alarm."""
    event = LeadErased(
        lead_id=erasure.lead_id, reason=REASON, session_ids=erasure.session_ids,
        conversation_ids=erasure.conversation_ids,
    )  # fmt: skip
    scope = uow.scope
    new = NewEvent(uuid4(), event, scope.org_id, scope.property_id, scope.at, scope.cause)
    await append(uow.conn, [new], expected={})
    row = await uow.conn.fetchrow(
        "SELECT email, phone FROM public.leads WHERE id = $1", erasure.lead_id
    )
    texts = frozenset(text for text in (row or ()) if text)
    person = PersonTerms(frozenset({erasure.property_id}), event.subjects, texts)
    await erase_rows(uow.conn, await find_rows(uow.conn, person))


async def _group(conn: Connection) -> list[LostErasure]:
    """Return the lost erasures by lead.

    A session or conversation goes with its lead if that is erased. Otherwise nobody knows the lead
    of its erasure: the event then has the id of the session or conversation alone, so that it
    erases no other person.
    """
    rows = await find_lost_erasures(conn)
    linked = [row.lead_id for row in rows if row.lead_id is not None]
    erased = {row.id for row in rows if row.entity_type == "lead"} | await read_erased(conn, linked)
    groups: dict[UUID, list[ErasedSubject]] = defaultdict(list)
    for row in rows:
        groups[row.lead_id if row.lead_id in erased else row.id].append(row)
    return [
        LostErasure(
            subjects[0].org_id, subjects[0].property_id, owner, _ids(subjects, "session"),
            _ids(subjects, "conversation"),
        )
        for owner, subjects in groups.items()
    ]  # fmt: skip


def _ids(subjects: Sequence[ErasedSubject], entity_type: str) -> tuple[UUID, ...]:
    return tuple(sorted(row.id for row in subjects if row.entity_type == entity_type))
