"""Erasures that a restored log lacks: appended again, from destroyed keys and certificates.

The keys of these persons are destroyed with the append, so that nothing is served before the
erasures are in the tables: see `services.runtime.applied_erasures`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg

from events.keys import store
from events.keys.ring import current_ring
from events.leads import LeadErased
from events.log.append import append
from events.log.connection import Connection
from events.log.erasures import ErasedSubject, find_lost_erasures
from events.record import Cause, NewEvent
from services.application.command_handler import transact
from services.application.erasures import Contacts, erase, keep_opt_outs
from services.application.merged_leads import list_members
from services.application.person_terms import PersonTerms
from services.application.scope import Scope
from services.application.sealed_tables import erase_rows, find_rows
from services.application.unit_of_work import UnitOfWork
from services.deciders.erasures import ErasedLead, erasures_of
from services.privacy.person_texts import read_identifying_texts, read_stored_texts
from services.privacy.signature import verify

REASON = "applied again after a restore"


class LostErasures(NamedTuple):
    """The erasures of one property that the log lacks, by lead.

    `known_leads` are those that the log has as leads, and not only a session or conversation.
    """

    org_id: UUID
    property_id: UUID
    leads: tuple[ErasedLead, ...]
    known_leads: frozenset[UUID]

    @property
    def subjects(self) -> frozenset[UUID]:
        return frozenset[UUID]().union(*(lead.subjects for lead in self.leads))


async def reapply_erasures(
    pool: asyncpg.Pool, now: datetime, cause: Cause, certificates: Sequence[Mapping[str, Any]] = ()
) -> list[UUID]:
    """Append every erasure that the log lacks again; return the leads.

    An erasure is known from a destroyed key, or from a certificate. What this database does not
    know was created after the backup, and nothing is to be erased. Raises `InvalidCertificate`.
    """
    async with pool.acquire() as conn:
        certified = await _read_certified(conn, certificates)
        destroyed = await store.list_destroyed(await current_ring().store_of(conn))
        subjects = {*destroyed, *certified}
        lost = await _group(conn, subjects)
        for erasures in lost:
            scope = Scope(erasures.org_id, erasures.property_id, now, cause)
            async with conn.transaction():
                await _append(UnitOfWork(conn, scope, None), erasures)  # type: ignore[arg-type]
        # Also those of an attempt that was interrupted here.
        await current_ring().destroy(conn, await store.read_erased(conn, certified))
        unfolded = await _find_unfolded(conn, subjects)
    for lead_id, org_id, property_id in unfolded:
        scope = Scope(org_id, property_id, now, cause)
        person = (await transact(pool, scope, partial(_erase_person, lead_id=lead_id))).result
        await current_ring().destroy(pool, person)
    return [lead.id for erasures in lost for lead in erasures.leads]


async def _find_unfolded(
    conn: Connection, subject_ids: Collection[UUID]
) -> list[tuple[UUID, UUID, UUID]]:
    """Return (lead, organisation, property) of those leads whose erasure no table contains yet."""
    rows = await conn.fetch(
        """
        SELECT e.entity_id, e.org_id, e.property_id FROM crm.erased_subjects erased
        JOIN public.crm_events e ON e.entity_type = 'lead' AND e.entity_id = erased.subject_id
          AND e.version = 1 AND e.event_type <> $2
        WHERE erased.subject_id = ANY($1::uuid[]) AND NOT EXISTS (
          SELECT FROM crm_state.erased_subjects f WHERE f.subject_id = erased.subject_id)
        ORDER BY e.seq
        """,
        list(subject_ids),
        LeadErased.name,
    )
    return [tuple(row) for row in rows]


async def _erase_person(uow: UnitOfWork, lead_id: UUID) -> frozenset[UUID]:
    """Stop runs and messages, and erase what the log links to the person besides."""
    person = await erase(uow, lead_id, reason=REASON, by=None)
    return frozenset[UUID]().union(*(lead.subjects for lead in person))


async def _read_certified(
    conn: Connection, certificates: Iterable[Mapping[str, Any]]
) -> frozenset[UUID]:
    """Return the data subjects of these certificates. Raises `InvalidCertificate`."""
    subjects: set[UUID] = set()
    for document in certificates:
        await verify(conn, document)
        subjects.update(map(UUID, document["subject_ids"]))
    return frozenset(subjects)


async def _append(uow: UnitOfWork, erasures: LostErasures) -> None:
    """Append erasures, and erase other contents about the persons.

    What identifies the persons is read first: afterwards the log gives erased values. All events
    are appended before anything else is read from the log, and before changes of the host: without
    the erasure, a missing key is an alarm.
    """
    scope, subjects = uow.scope, erasures.subjects
    texts = await read_stored_texts(uow.conn, subjects)
    texts |= await read_identifying_texts(uow.conn, subjects)
    contacts = await _read_contacts(uow.conn, erasures.known_leads)
    new = [
        NewEvent(uuid4(), event, scope.org_id, scope.property_id, scope.at, scope.cause)
        for lead in erasures.leads
        for event in erasures_of(lead, REASON)
    ]
    await append(uow.conn, new, expected={}, after_staged=False)
    for lead_id in erasures.known_leads:
        members = await list_members(uow, lead_id)
        await keep_opt_outs(uow, {m: contacts[m] for m in members if m in contacts})
    terms = PersonTerms(frozenset({scope.property_id}), subjects, texts)
    await erase_rows(uow.conn, await find_rows(uow.conn, terms))


async def _read_contacts(conn: Connection, lead_ids: Collection[UUID]) -> Contacts:
    rows = await conn.fetch(
        "SELECT id, email, phone FROM public.leads WHERE id = ANY($1::uuid[])", list(lead_ids)
    )
    return {row["id"]: dict(row) for row in rows}


async def _group(conn: Connection, subject_ids: Collection[UUID]) -> list[LostErasures]:
    """Return the lost erasures by property and lead.

    A session or conversation goes with its lead if that is erased. Otherwise nobody knows the lead
    of its erasure: the event then has the id of the session or conversation alone, so that it
    erases no other person.
    """
    rows = await find_lost_erasures(conn, subject_ids)
    linked = [row.lead_id for row in rows if row.lead_id is not None]
    earlier = await store.read_erased(conn, linked)
    erased = {row.id for row in rows if row.entity_type == "lead"} | earlier
    known = {row.id for row in rows if row.entity_type == "lead" and row.has_events} | earlier
    by_lead: dict[tuple[UUID, UUID, UUID], list[ErasedSubject]] = defaultdict(list)
    for row in rows:
        owner = row.lead_id if row.lead_id in erased else row.id
        by_lead[row.org_id, row.property_id, owner].append(row)
    by_property: dict[tuple[UUID, UUID], list[ErasedLead]] = defaultdict(list)
    for (org_id, property_id, owner), subjects in by_lead.items():
        lead = ErasedLead(owner, _ids(subjects, "session"), _ids(subjects, "conversation"))
        by_property[org_id, property_id].append(lead)
    return [
        LostErasures(*key, tuple(leads), frozenset(known.intersection(lead.id for lead in leads)))
        for key, leads in by_property.items()
    ]


def _ids(subjects: Sequence[ErasedSubject], entity_type: str) -> tuple[UUID, ...]:
    return tuple(sorted(row.id for row in subjects if row.entity_type == entity_type))
