"""Observed events: they are appended as they are, many in one transaction."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid5

import asyncpg

from events.ids import message_id_of, profile_ids_in
from events.log import limits
from events.log.append import append
from events.log.connection import Connection
from events.log.digests import find_reused
from events.log.erased_subjects import find_refused
from events.log.errors import (
    AppendRefused,
    IdReused,
    LimitExceeded,
    SubjectErased,
    WrongProperty,
)
from events.record import NewEvent, Stream
from events.subjects import begun_stream
from projections.engine.apply import BAD_ROW_ERRORS
from services.application.client_ids import IdOwner
from services.application.rejection import RejectedRecord, RejectionReason
from services.deciders.engagements import contact_of
from services.deciders.explanations import explain_edit
from services.host import find_host_messages, find_unknown_profiles
from services.intake.outcome import IntakeItem
from services.intake.scoping import scope_ids
from services.intake.subjects import load_stream_owners, load_surviving_leads

RACE_ERRORS = (
    asyncpg.UniqueViolationError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)
"""Errors that occur when another intake appends the same event. At the next try it is known."""
RECORD_ERRORS = (AppendRefused, *BAD_ROW_ERRORS)
"""Errors that one record of a batch can cause."""
ID_TAKEN_ERRORS = (WrongProperty, IdReused)
"""Errors that another organisation can cause, by taking an id after it was chosen here."""
MAX_ATTEMPTS = 5
RACE_PAUSE_SECONDS = 0.02


async def append_observed(conn: Connection, items: Sequence[IntakeItem]) -> None:
    """Append the events in one transaction if possible; every item gets its outcome.

    Raise connection errors of the database. If the transaction fails, the records that are
    usually the cause are found one by one. If none is found, the batch is halved until the
    faulty record is alone.
    """
    if not items:
        return
    try:
        await _append(conn, items)
        return
    except RECORD_ERRORS as error:
        if isinstance(error, ID_TAKEN_ERRORS) and await scope_ids(conn, items):
            await append_observed(conn, items)
            return
        if len(items) == 1:
            items[0].reject(rejection_of(error))
            return
    rest = await _reject_invalid(conn, items)
    if len(rest) < len(items):
        await append_observed(conn, rest)
        return
    half = len(items) // 2
    await append_observed(conn, items[:half])
    await append_observed(conn, items[half:])


async def _append(conn: Connection, items: Sequence[IntakeItem]) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            async with conn.transaction():
                ready = await _check_references(conn, items)
                events = [item.new_event for item in ready]
                more = [*await _contacts(conn, events), *_explanations(ready)]
                result = await append(conn, [*events, *more], expected={})
        except RACE_ERRORS:
            if attempt == MAX_ATTEMPTS:
                raise
            await asyncio.sleep(RACE_PAUSE_SECONDS * attempt)
            continue
        # Outcomes only after the commit: a failed transaction appended nothing.
        appended = set(result.new)
        for item in ready:
            item.accept(is_duplicate=item.new_event.id not in appended)
            appended.discard(item.new_event.id)  # the same event twice in one batch
        return


async def _contacts(conn: Connection, events: Iterable[NewEvent]) -> list[NewEvent]:
    """Return a `lead.contacted` for each new activity that is a contact, such as a call.

    The contact of a merged lead is one of the surviving lead. A repeated activity has its contact
    already, and its lead may have been merged since.
    """
    contacts = {new.id: (new, contact) for new in events if (contact := contact_of(new.event))}
    if not contacts:
        return []
    rows = await conn.fetch(
        "SELECT id FROM public.crm_events WHERE id = ANY($1::uuid[])", list(contacts)
    )
    for row in rows:
        del contacts[row["id"]]
    leads = [contact.lead_id for _, contact in contacts.values()]
    survivors = await load_surviving_leads(conn, leads)
    return [
        replace(
            new, id=uuid5(new.id, contact.name),
            event=contact.model_copy(update={"lead_id": survivors[contact.lead_id]}),
            cause=replace(new.cause, causation_id=new.id),
        )
        for new, contact in contacts.values()
    ]  # fmt: skip


def _explanations(items: Iterable[IntakeItem]) -> list[NewEvent]:
    """Return a `change.explained` with the reason for each edited record about a lead."""
    explanations: list[NewEvent] = []
    for item in items:
        new, edit = item.new_event, item.edit
        if edit is not None and new.event.lead is not None:
            explained = explain_edit(new.id, new.event.lead, edit.reason)
            cause = replace(new.cause, causation_id=new.id)
            explanations.append(
                replace(new, id=explained.explanation_id, event=explained, cause=cause)
            )
    return explanations


async def _check_references(conn: Connection, items: Sequence[IntakeItem]) -> list[IntakeItem]:
    """Return the items whose subjects and profiles exist; the others get their outcome here.

    Raise `WrongProperty` if another organisation has begun a subject since the ids were scoped.
    """
    owners = await load_stream_owners(conn, (stream for item in items for stream in item.subjects))
    unknown_profiles = await _find_unknown_profiles(conn, items)
    message_ids = [message_id_of(item.new_event.event) for item in items]
    host_messages = await find_host_messages(conn, (key for key in message_ids if key is not None))
    ready: list[IntakeItem] = []
    for item in items:
        new = item.new_event
        missing = [stream for stream in item.subjects if stream not in owners]
        if missing:
            item.wait_for(missing[0])
        elif foreign := [s for s in item.subjects if owners[s].property_id != new.property_id]:
            if owners[foreign[0]].org_id != new.org_id:
                raise WrongProperty(foreign[0])
            item.reject(wrong_property(foreign[0]))
        elif profile_ids_in(new.event) & unknown_profiles.get(new.org_id, set()):
            # The tables refer to profiles: the foreign key would park the event later.
            item.reject(_unknown_profile())
        elif message_id_of(new.event) in host_messages:
            item.reject(rejection_of(IdReused(new.id)))
        else:
            ready.append(item)
            # Later events of this batch may be about the stream that this one begins.
            if begun := begun_stream(new.event):
                owners.setdefault(begun, IdOwner(new.org_id, new.property_id))
    return ready


async def _find_unknown_profiles(
    conn: Connection, items: Sequence[IntakeItem]
) -> dict[UUID, set[UUID]]:
    """Return organisation → the profiles that events name and that it does not have."""
    named: dict[UUID, set[UUID]] = {}
    for item in items:
        if profiles := profile_ids_in(item.new_event.event):
            named.setdefault(item.new_event.org_id, set()).update(profiles)
    return {org: await find_unknown_profiles(conn, org, ids) for org, ids in named.items()}


async def _reject_invalid(conn: Connection, items: Sequence[IntakeItem]) -> list[IntakeItem]:
    """Reject events that are too large, from the future, of an erased person or with a reused id.

    Return the others.
    """
    now = datetime.now(UTC)  # the clock that `append` compares with
    events = [item.new_event for item in items]
    reused, erased = await find_reused(conn, events), await find_refused(conn, events)
    rest: list[IntakeItem] = []
    for item in items:
        new = item.new_event
        try:
            limits.check_instant(new.occurred_at, now)
            limits.checked_payload(new.event)
            if new.id in reused:
                raise IdReused(new.id)
            if new.id in erased:
                raise SubjectErased(erased[new.id])
        except (AppendRefused, ValueError) as error:
            item.reject(rejection_of(error))
        else:
            rest.append(item)
    return rest


def rejection_of(error: Exception) -> RejectedRecord:
    """Return the rejection for an error of the log or the database."""
    match error:
        case LimitExceeded():
            return RejectedRecord(RejectionReason.LIMIT_EXCEEDED, str(error))
        case IdReused():
            return RejectedRecord(RejectionReason.ID_REUSED, str(error))
        case AppendRefused():
            return RejectedRecord(RejectionReason.DISAGREED, str(error), code=error.code)
        case _:
            return RejectedRecord(RejectionReason.UNSTORABLE, f"{type(error).__name__}: {error}")


def wrong_property(stream: Stream) -> RejectedRecord:
    return RejectedRecord(
        RejectionReason.WRONG_PROPERTY,
        f"{stream.entity_type} {stream.entity_id} belongs to another property",
    )


def _unknown_profile() -> RejectedRecord:
    return RejectedRecord(
        RejectionReason.UNKNOWN_PROFILE,
        "the event names a person who has no profile in the organisation",
    )
