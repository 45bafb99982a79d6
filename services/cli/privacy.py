"""The changes of `crm privacy`: decided in the property of a lead, or only previewed."""

import getpass
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from events.event import Event
from events.record import Cause, Stream
from services.api.schemas.privacy import RectificationRequest
from services.application.command_handler import transact
from services.application.unit_of_work import Scope, UnitOfWork
from services.deciders.decider import Refused
from services.host import find_stream_owner
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure

APPLICATION = "crm privacy"
CHANGES = ["event", "entity", "entity_id"]
Work = Callable[[UnitOfWork], Awaitable[Any]]


async def change_person(lead_id: UUID, work: Work, *, is_preview: bool) -> list[dict[str, Any]]:
    """Run `work` for a lead as the operator, and return its events; a preview appends nothing.

    Raise `Failure` for an unknown lead, and if the change is refused.
    """
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        scope = await find_scope(conn, lead_id)
        if is_preview:
            return await _preview(conn, scope, work)
        return describe((await transact(conn, scope, work)).events)
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()


async def find_scope(conn: asyncpg.Connection, lead_id: UUID) -> Scope:
    """Return the scope of a change by the operator. Raise `Failure` for an unknown lead."""
    owner = await find_stream_owner(conn, Stream("lead", lead_id))
    if owner is None or owner[1] is None:
        raise Failure(f"there is no lead {lead_id}")
    return Scope(owner[0], owner[1], datetime.now(UTC), operator_cause())


def operator_cause() -> Cause:
    """Return the cause of what the operator does."""
    return Cause(f"operator:{getpass.getuser()}")


async def _preview(conn: asyncpg.Connection, scope: Scope, work: Work) -> list[dict[str, Any]]:
    """Return the events that `work` decides, without an append."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        uow = UnitOfWork(conn, scope, None)
        await work(uow)
        return describe(uow.events)
    finally:
        await transaction.rollback()


def read_rectification(assignments: Sequence[str], reason: str) -> RectificationRequest:
    """Return the request of NAME=VALUE texts. Raise `Failure` for an unknown detail."""
    pairs = [assignment.partition("=") for assignment in assignments]
    names = RectificationRequest.model_fields.keys() - {"reason"}
    for (name, sign, _), assignment in zip(pairs, assignments, strict=True):
        if not sign or name not in names:
            raise Failure(
                f"{assignment!r} is not NAME=VALUE with one of {', '.join(sorted(names))}"
            )
    values = {name: value for name, _, value in pairs}
    return RectificationRequest.model_validate({**values, "reason": reason})


def describe(events: Iterable[tuple[UUID, Event]]) -> list[dict[str, Any]]:
    """Return the type and the entity of each event."""
    return [
        {"event": event.name, "entity": event.stream, "entity_id": event.stream_id}
        for _, event in events
    ]
