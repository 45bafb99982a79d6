"""`crm why-not-sent`: show why messages to a lead were not sent, and when they will be."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from cyclopts import App

from events.record import Cause
from projections import leads
from services.application.message_forecasts import MessageForecast, forecast_messages
from services.application.message_states import (
    MessageState,
    list_message_states,
    state_fields,
)
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.application.unplanned_messages import UnplannedMessage, list_unplanned_messages
from services.cli.id_prefix import find_id
from services.runtime.clock import open_clock
from services.runtime.database import open_engine, pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, print_json, print_rows

COLUMNS = ["planned_at", "channel", "purpose", "status", "why", "next_at", "id"]
NOT_PLANNED = "not_planned"
SENT = ("sent", "delivered")


class ExplainedMessage(NamedTuple):
    """The state of a message, and its forecast if it may still be sent."""

    state: MessageState
    forecast: MessageForecast | None


app = App(
    name="why-not-sent",
    help_epilogue=examples(
        "crm why-not-sent LEAD_ID",
        "crm why-not-sent 0195b0c2 --all",
        "crm why-not-sent LEAD_ID --json",
    ),
    help_format="plaintext",
)


@app.default
def why_not_sent(lead: str, *, all_: bool = False, json: bool = False) -> None:
    """List the messages to a lead that nobody got (yet), newest first, each with its reason.

    Then come the messages that a coming tour could have and that nobody planned.

    The exit code is 0 if the lead exists, whatever became of its messages, else 1.

    Parameters
    ----------
    lead
        The lead's id, or its beginning. The id of a merged lead shows the surviving one.
    all_
        Also list the messages that were sent.
    json
        Print a JSON list, with the compared values and the history of each message.
    """
    messages, unplanned = asyncio.run(_load(lead))
    shown = [message for message in messages if all_ or message.state.last.status not in SENT]
    if json:
        missing = [{"status": NOT_PLANNED, **asdict(message)} for message in unplanned]
        print_json([*map(_to_json, shown), *missing])
    else:
        empty = "every message to this lead was sent" if messages else "no message was planned"
        rows = [*map(_to_row, shown), *map(_to_unplanned_row, unplanned)]
        print_rows(rows, COLUMNS, empty=empty)


async def _load(text: str) -> tuple[list[ExplainedMessage], list[UnplannedMessage]]:
    settings = DatabaseSettings()
    async with pooled(settings, "crm why-not-sent", size=1) as pool:

        async def find(first: UUID, last: UUID) -> Sequence[UUID]:
            rows = await pool.fetch(
                "SELECT id FROM leads WHERE id BETWEEN $1 AND $2 LIMIT 2", first, last
            )
            return [row["id"] for row in rows]

        lead_id = await find_id(text, find, what="lead", hint="see GET /api/leads")
        org_id, members = await _find_person(pool, settings, lead_id)
        property_id = await pool.fetchval("SELECT property_id FROM leads WHERE id = $1", lead_id)
        scope = Scope(
            org_id, property_id, open_clock(settings.clock_delay_file).now(), Cause("operator")
        )
        async with pool.acquire() as conn:
            uow = UnitOfWork(conn, scope, None)  # type: ignore[arg-type]
            states = await list_message_states(conn, org_id, members)
            forecasts = await forecast_messages(conn, states, scope.at)
            explained = list(map(ExplainedMessage, states, forecasts))
            return explained, await list_unplanned_messages(uow, members)


async def _find_person(
    pool: asyncpg.Pool, settings: DatabaseSettings, lead_id: UUID
) -> tuple[UUID, list[UUID]]:
    """Return the organisation of a lead and the ids of all leads of the person."""
    org_id: UUID | None = await pool.fetchval("SELECT org_id FROM leads WHERE id = $1", lead_id)
    if org_id is None:
        raise Failure(f"lead {lead_id} is a row of the host that was not adopted: run crm adopt")
    engine = open_engine(settings, "crm why-not-sent")
    try:
        async with engine.begin() as conn:
            row = (await conn.execute(leads.person(org_id, lead_id))).mappings().one()
            return org_id, row["members"]
    finally:
        await engine.dispose()


def _to_json(message: ExplainedMessage) -> dict[str, Any]:
    forecast = message.forecast
    return {**state_fields(message.state), "forecast": forecast and asdict(forecast)}


def _to_row(message: ExplainedMessage) -> dict[str, Any]:
    state, forecast = message
    next_at = state.last.next_at if forecast is None else forecast.at
    more = [state.settling, forecast.explanation if forecast else None]
    return {
        "planned_at": f"{state.planned_at:%Y-%m-%d %H:%M}",
        "channel": state.planned.channel.value,
        "purpose": state.planned.purpose.value,
        "status": state.last.status,
        "why": "; ".join([state.explanation, *filter(None, more)]),
        "next_at": f"{next_at:%Y-%m-%d %H:%M}" if next_at else "",
        "id": state.planned.delivery_id,
    }


def _to_unplanned_row(message: UnplannedMessage) -> dict[str, Any]:
    return {
        "channel": message.channel.value,
        "purpose": message.purpose.value,
        "status": NOT_PLANNED,
        "why": message.explanation,
    }
