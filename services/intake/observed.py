"""Observed events: somebody else saw them, so they are appended as they are, many at a time."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from events import codec
from events.ids import message_in
from events.log import limits
from events.log.append import append
from events.log.connection import Connection
from events.log.errors import IdReused, LimitExceeded, LogRefused
from events.record import Stream
from services.host_tenants import hosts_own, people_in, strangers
from services.intake.outcome import Item
from services.intake.rejection import Reason, Refused
from services.intake.subjects import begins, owners

RACED = (
    asyncpg.UniqueViolationError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)
"""Another door took in the same at the same time: once more, and it is known."""
BAD_ROW_ERRORS = (
    LogRefused,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,
    OverflowError,
    TypeError,
    ValueError,
)
"""What one record among many can cause."""
RACES_AT_MOST = 5
RACE_PAUSE_SECONDS = 0.02


async def take_in(conn: Connection, items: Sequence[Item]) -> None:
    """Append what can be appended, in one transaction where nobody is guilty; every item ends.

    Raises what the database raises when it is away.
    """
    if not items:
        return
    try:
        await _append(conn, items)
        return
    except BAD_ROW_ERRORS as error:
        if len(items) == 1:
            items[0].refuse(refusal_of(error))
            return
    rest = await _sift(conn, items)
    if len(rest) < len(items):
        await take_in(conn, rest)
        return
    half = len(items) // 2
    await take_in(conn, items[:half])
    await take_in(conn, items[half:])


async def _append(conn: Connection, items: Sequence[Item]) -> None:
    for attempt in range(1, RACES_AT_MOST + 1):
        try:
            async with conn.transaction():
                going = await _admitted(conn, items)
                done = await append(conn, [item.recorded for item in going], expected={})
        except RACED:
            if attempt == RACES_AT_MOST:
                raise
            await asyncio.sleep(RACE_PAUSE_SECONDS * attempt)
            continue
        fresh = set(done.new)
        for item in going:
            item.accept(known=item.recorded.id not in fresh)
            fresh.discard(item.recorded.id)
        return


async def _admitted(conn: Connection, items: Sequence[Item]) -> list[Item]:
    """Those whose subjects are there and whose people are known; the others end here."""
    there = await owners(conn, (stream for item in items for stream in item.needs))
    unknown = await _unknown_people(conn, items)
    said = [message_in(item.recorded.event) for item in items]
    taken = await hosts_own(conn, (key for key in said if key is not None))
    going: list[Item] = []
    for item in items:
        recorded = item.recorded
        missing = [stream for stream in item.needs if stream not in there]
        if missing:
            item.wait(missing[0])
        elif elsewhere := [s for s in item.needs if there[s] != recorded.property_id]:
            item.refuse(_wrong_property(elsewhere[0]))
        elif people_in(recorded.event) & unknown.get(recorded.org_id, set()):
            item.give_up(
                Reason.UNKNOWN_PROFILE, "a person it names is no profile of the organisation"
            )
        elif message_in(recorded.event) in taken:
            item.refuse(refusal_of(IdReused(recorded.id)))
        else:
            going.append(item)
            if begun := begins(recorded.event):
                there.setdefault(begun, recorded.property_id)
    return going


async def _unknown_people(conn: Connection, items: Sequence[Item]) -> dict[UUID, set[UUID]]:
    named: dict[UUID, set[UUID]] = {}
    for item in items:
        if people := people_in(item.recorded.event):
            named.setdefault(item.recorded.org_id, set()).update(people)
    return {org: await strangers(conn, org, people) for org, people in named.items()}


async def _sift(conn: Connection, items: Sequence[Item]) -> list[Item]:
    """Find the usual culprits at once, before halving: too large, from the future, id reused."""
    now = datetime.now(UTC)
    ids = [item.recorded.id for item in items]
    rows = await conn.fetch(
        "SELECT id, digest FROM public.crm_events WHERE id = ANY($1::uuid[])", ids
    )
    said: dict[UUID, bytes] = {row["id"]: row["digest"] for row in rows}
    rest: list[Item] = []
    for item in items:
        recorded = item.recorded
        try:
            limits.check_instant(recorded.occurred_at, now)
            limits.sealed(recorded.event)
            if said.setdefault(recorded.id, found := codec.digest(recorded.event)) != found:
                raise IdReused(recorded.id)
        except (LogRefused, ValueError) as error:
            item.refuse(refusal_of(error))
        else:
            rest.append(item)
    return rest


def refusal_of(error: Exception) -> Refused:
    """What the log or the database had against it, as the door says it."""
    match error:
        case LimitExceeded():
            return Refused(Reason.LIMIT_EXCEEDED, str(error))
        case IdReused():
            return Refused(Reason.ID_REUSED, str(error))
        case LogRefused():
            return Refused(Reason.DISAGREED, str(error), code=error.code)
        case _:
            return Refused(Reason.UNSTORABLE, f"{type(error).__name__}: {error}")


def _wrong_property(stream: Stream) -> Refused:
    return Refused(
        Reason.WRONG_PROPERTY, f"{stream.entity_type} {stream.entity_id} is of another property"
    )
