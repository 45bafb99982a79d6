"""The changes of `crm privacy`: decided in the property of a lead, or only previewed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from events.event import Event
from events.record import Stream
from services.api.schemas.privacy import RectificationRequest
from services.application.command_handler import transact
from services.application.unit_of_work import UnitOfWork
from services.cli.operator_scope import find_scope
from services.deciders.decider import Refused
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
    if is_preview:
        async with preview_change(lead_id) as uow:
            await work(uow)
            return describe(uow.events)
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        scope = await find_scope(conn, Stream("lead", lead_id))
        return describe((await transact(conn, scope, work)).events)
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()


@asynccontextmanager
async def preview_change(lead_id: UUID) -> AsyncIterator[UnitOfWork]:
    """Yield a unit of work in the property of a lead; nothing of it is appended.

    Raise `Failure` for an unknown lead, and if the change is refused.
    """
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        scope = await find_scope(conn, Stream("lead", lead_id))
        transaction = conn.transaction()
        await transaction.start()
        try:
            yield UnitOfWork(conn, scope, None)
        finally:
            await transaction.rollback()
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()


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
