"""`crm key`: issue, list and revoke widget keys. Only the hash of a key is stored."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from cyclopts import App, Parameter
from uuid_utils.compat import uuid7

from events.record import Cause, Stream
from events.widgets import WidgetKeyIssued
from services.api.auth.origins import normalize_origin
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders import widgets
from services.deciders.decider import Refused
from services.deciders.widgets import ConfigureWidget, IssueKey, RevokeKey
from services.host import load_property
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_json, print_rows

KEY_BYTES = 32

app = App(
    name="key",
    help_epilogue=examples(
        "crm key issue PROPERTY_ID --origin https://www.maple-house.example",
        "crm key issue PROPERTY_ID --overlap-hours 24",
        "crm key list PROPERTY_ID",
        "crm key revoke PROPERTY_ID KEY_ID",
    ),
    help_format="plaintext",
)


@app.command
def issue(
    property_id: UUID,
    *,
    origin: Annotated[
        Sequence[str], Parameter(help="A web site that may show the widget; repeat it for more.")
    ] = (),
    overlap_hours: Annotated[
        float, Parameter(help="The hours for which the previous key stays valid.")
    ] = 0,
    tour_capacity: Annotated[
        int | None, Parameter(help="The number of tours at the same time; 1 by default.")
    ] = None,
    json: bool = False,
) -> None:
    """Issue a key and activate the widget. The key is printed only once."""
    try:
        origins = tuple(normalize_origin(address) for address in origin)
    except ValueError as error:
        raise Failure(str(error)) from None
    key = f"lk_{secrets.token_urlsafe(KEY_BYTES)}"
    settings: dict[str, Any] = {"allowed_origins": origins} if origins else {}
    if tour_capacity is not None:
        settings["tour_capacity"] = tour_capacity
    key_id = asyncio.run(_issue(property_id, key, settings, overlap_hours))
    if json:
        print_json({"key": key, "key_id": key_id, "property_id": property_id})
    else:
        note("the key is shown only now: only its hash is stored")
        print_rows([{"key": key, "key_id": key_id}], ["key", "key_id"])


@app.command
def revoke(property_id: UUID, key_id: UUID, *, reason: str | None = None) -> None:
    """Revoke a key; the API refuses it from now on."""
    asyncio.run(_revoke(property_id, key_id, reason))
    note(f"key {key_id} is revoked")


@app.command(name="list")
def list_(property_id: UUID, *, json: bool = False) -> None:
    """List the valid keys, newest last."""
    print_rows(
        asyncio.run(_list(property_id)), ["key_id", "issued_at", "hash"], as_json=json,
        empty="there is no valid key: issue one with `crm key issue`",
    )  # fmt: skip


async def _issue(
    property_id: UUID, key: str, settings: dict[str, Any], overlap_hours: float
) -> UUID:
    key_id = uuid7()
    now = datetime.now(UTC)
    until = now + timedelta(hours=overlap_hours) if overlap_hours > 0 else None
    key_hash = hashlib.sha256(key.encode()).hexdigest()

    async def work(uow: UnitOfWork) -> None:
        await uow.execute(IssueKey(property_id, key_id, key_hash, until))
        await uow.execute(ConfigureWidget(property_id, {"is_active": True, **settings}))

    await _write(property_id, now, work)
    return key_id


async def _revoke(property_id: UUID, key_id: UUID, reason: str | None) -> None:
    async def work(uow: UnitOfWork) -> None:
        await uow.execute(RevokeKey(property_id, key_id, reason))

    await _write(property_id, datetime.now(UTC), work)


async def _write(property_id: UUID, now: datetime, work: Any) -> None:
    conn = await connect(DatabaseSettings(), "crm key")
    try:
        scope = await _scope(conn, property_id, now)
        await transact(conn, scope, work)
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()


async def _list(property_id: UUID) -> list[dict[str, Any]]:
    conn = await connect(DatabaseSettings(), "crm key")
    try:
        uow = UnitOfWork(conn, await _scope(conn, property_id, datetime.now(UTC)), None)
        widget = await uow.load(widgets.decider, property_id)
        recorded_events = await uow.history(Stream("widget", property_id))
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()
    return [
        {
            "key_id": recorded.event.key_id,
            "issued_at": recorded.occurred_at,
            "hash": f"{recorded.event.key_hash[:12]}…",
        }
        for recorded in recorded_events
        if isinstance(recorded.event, WidgetKeyIssued) and recorded.event.key_id in widget.keys
    ]


async def _scope(conn: asyncpg.Connection, property_id: UUID, now: datetime) -> Scope:
    host_property = await load_property(conn, property_id)
    return Scope(host_property.org_id, property_id, now, Cause("operator"))
