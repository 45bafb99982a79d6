"""The reads and changes of `crm delivery`: messages of the table, and of the log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from events.deliveries import ReconciledOutcome
from events.log import read
from events.record import Cause, Stream
from projections import send_intents
from services.adapters.providers import open_providers
from services.application.command_handler import transact
from services.application.hand_overs import (
    LostHandOver,
    Providers,
    ask_provider,
    load_lost,
    settle_lost,
)
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.cli.id_prefix import find_id
from services.deciders import hand_overs
from services.deciders.decider import Refused
from services.deciders.delivery_state import DeliveryStatus
from services.deciders.hand_overs import ReconcileDelivery, SkipDelivery
from services.host import find_stream_owner
from services.runtime.database import open_engine, pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.settings import Settings
from services.runtime.terminal import Failure

APPLICATION = "crm delivery"
CANCELLED = "cancelled"


async def list_deliveries(
    status: str | None, property_id: UUID | None, lead_id: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Return messages of the table, the newest first."""
    async with _reading() as conn:
        query = send_intents.of_status(status, property_id, lead_id, limit)
        return [dict(row) for row in (await conn.execute(query)).mappings()]


async def load_delivery(text: str) -> dict[str, Any]:
    """Return the events of a message, the newest last, with its status."""
    async with pooled(DatabaseSettings(), APPLICATION, size=1) as pool:
        delivery_id = await _find(pool, text)
        async with pool.acquire() as conn:
            history = await read.streams(conn, [Stream("delivery", delivery_id)])
    return {
        "id": delivery_id,
        "status": history[-1].event.name.removeprefix("delivery."),
        "history": [
            {
                "at": recorded.occurred_at,
                "event": recorded.event.name,
                "actor": recorded.actor,
                **_details(recorded.event),
            }
            for recorded in history
        ],
    }


async def cancel_delivery(text: str, reason: str) -> UUID:
    """Cancel a message that has not left; return its id."""
    async with pooled(DatabaseSettings(), APPLICATION, size=1) as pool:
        delivery_id = await _find(pool, text)

        async def work(uow: UnitOfWork) -> None:
            await uow.execute(SkipDelivery(delivery_id, CANCELLED, reason))

        await _transact(pool, delivery_id, work)
        return delivery_id


async def reconcile_deliveries(
    text: str | None, outcome: ReconciledOutcome | None, detail: str | None, limit: int
) -> list[dict[str, Any]]:
    """Settle one unknown message, or all; return their ids and their statuses afterwards."""
    async with pooled(DatabaseSettings(), APPLICATION, size=1) as pool:
        if text is not None:
            ids = [await _find(pool, text)]
        else:
            async with _reading() as conn:
                query = send_intents.of_status("unknown", None, None, limit)
                ids = [row["id"] for row in (await conn.execute(query)).mappings()]
        if outcome is not None:
            return [await _settle_by_hand(pool, ids[0], outcome, detail)]
        providers = open_providers(Settings())
        try:
            return [await _ask_provider(pool, delivery_id, providers) for delivery_id in ids]
        finally:
            for provider in providers.values():
                await provider.close()


async def _settle_by_hand(
    pool: asyncpg.Pool, delivery_id: UUID, outcome: ReconciledOutcome, detail: str | None
) -> dict[str, Any]:
    async def work(uow: UnitOfWork) -> str:
        [event] = await uow.execute(ReconcileDelivery(delivery_id, outcome, detail=detail))
        return str(event.channel)  # type: ignore[attr-defined]

    channel = await _transact(pool, delivery_id, work)
    return {"id": delivery_id, "channel": channel, "status": outcome.value, "detail": detail}


async def _ask_provider(
    pool: asyncpg.Pool, delivery_id: UUID, providers: Providers
) -> dict[str, Any]:
    """Ask the provider about one unknown message, and append what it knows."""

    async def load(uow: UnitOfWork) -> LostHandOver | DeliveryStatus:
        delivery = await uow.load(hand_overs.decider, delivery_id)
        if delivery.status is not DeliveryStatus.UNKNOWN:
            return delivery.status
        return await load_lost(uow, delivery, providers) or delivery.status

    lost = await _transact(pool, delivery_id, load)
    if not isinstance(lost, LostHandOver):
        return {"id": delivery_id, "channel": None, "status": str(lost), "detail": "not unknown"}
    answer = await ask_provider(lost)

    async def settle(uow: UnitOfWork) -> str:
        return (await settle_lost(uow, lost, answer)).value

    status = await _transact(pool, delivery_id, settle)
    detail = answer.detail or answer.finding.value
    return {
        "id": delivery_id, "channel": lost.message.channel.value, "status": status,
        "detail": detail,
    }  # fmt: skip


async def _transact(pool: asyncpg.Pool, delivery_id: UUID, work: Any) -> Any:
    async with pool.acquire() as conn:
        owner = await find_stream_owner(
            cast("asyncpg.Connection", conn), Stream("delivery", delivery_id)
        )
    if owner is None or owner[1] is None:
        raise Failure(f"there is no message {delivery_id}")
    scope = Scope(owner[0], owner[1], datetime.now(UTC), Cause("operator"))
    try:
        return (await transact(pool, scope, work)).result
    except Refused as refused:
        raise Failure(refused.message) from None


async def _find(pool: asyncpg.Pool, text: str) -> UUID:
    async def find(first: UUID, last: UUID) -> list[UUID]:
        rows = await pool.fetch(
            "SELECT entity_id FROM public.crm_events WHERE entity_type = 'delivery' "
            "AND version = 1 AND entity_id BETWEEN $1 AND $2 LIMIT 2",
            first,
            last,
        )
        return [row["entity_id"] for row in rows]

    return await find_id(text, find, what="message", hint="see `crm delivery list`")


@asynccontextmanager
async def _reading() -> AsyncIterator[AsyncConnection]:
    engine = open_engine(DatabaseSettings(), APPLICATION)
    try:
        async with engine.connect() as conn:
            yield conn
    finally:
        await engine.dispose()


def _details(event: Any) -> dict[str, Any]:
    """Return the fields of an event that say something about the message's way."""
    left_out = {"delivery_id", "recipient", "subject", "body"}
    payload = event.model_dump(mode="json", exclude=left_out, exclude_none=True)
    return {str(name): value for name, value in payload.items()}
