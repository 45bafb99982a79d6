"""The events of the log: a list with filters, and one event with its causes and effects."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from starlette.responses import Response

from events.catalog import CATALOG
from events.codec import serialize
from events.event import Event
from events.log import sequencer
from events.sealed_member import SEALED
from events.trace_context import TraceContext
from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.event_filters import (
    read_filter,
    read_instant,
    read_position,
    zone_of,
)
from services.api.console.event_log import EventLog, find_position, open_log
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.problems import Problem, not_found
from services.application.clear_events import account_reads, open_rows
from services.application.operator_actions import has_recent_action, record_action

READ = "read_personal_values"
"""The action with which a person asks for the personal values of an event."""
SHOWN_MINUTES = 10
"""Time for which they are shown after that. Each view is accounted."""
FILTERS = (
    "type",
    "entity",
    "id",
    "lead",
    "property",
    "correlation",
    "trace",
    "from",
    "until",
    "before",
)


async def list_log_events(page: Page) -> Response:
    """Show the events of the log, newest first."""
    wrong: list[str] = []
    chosen = read_filter(page, wrong)
    since, until = (read_instant(page, name, wrong) for name in ("from", "until"))
    async with page.context.pool.acquire() as conn:
        log = await sequencer.read_log_state(conn)
        after = 0 if since is None else await find_position(conn, since, log.position) - 1
        end = log.position + 1
        if until is not None:
            end = await find_position(conn, until, log.position)
    before = min(read_position(page, end, wrong), end)
    async with open_log(page) as event_log:
        found = await event_log.list_events(chosen, before, after)
    return page.render(
        "events.html", found=found, log=log, wrong=wrong, types=sorted(CATALOG),
        entities=sorted({entry.stream for entry in CATALOG.values()}), zone=zone_of(page),
        is_filtered=any(page.query.get(name) for name in FILTERS), before=before,
    )  # fmt: skip


async def show_event(page: Page) -> Response:
    """Show one event; its personal values only after the person has asked for them."""
    async with open_log(page) as event_log:
        row = await _find(event_log, page)
        related = await event_log.find_related(row)
    values, problem = await _read_values(page, row)
    return page.render(
        "event.html", event=row, related=related, values=values, problem=problem,
        fields=_clear_fields(row), hidden=_hidden_fields(row), minutes=SHOWN_MINUTES,
        can_ask=page.settings.console_actions,
        trace=row["trace_context"] and TraceContext.of_stored(row["trace_context"]),
    )  # fmt: skip


async def prepare_reading(page: Page) -> dict[str, Any]:
    """Return the names of the personal fields that would be shown."""
    async with open_log(page) as event_log:
        row = await _find(event_log, page)
    return {"event": row, "hidden": _hidden_fields(row), "minutes": SHOWN_MINUTES}


async def ask_for_values(page: Page, form: Form) -> Done:
    """Store who asks for the personal values of an event, and why; then show them."""
    reason = form.get("reason", "")
    if not reason:
        raise Problem(400, "no_reason", "give the reason why you need the personal values")
    async with open_log(page) as event_log:
        row = await _find(event_log, page)
    async with page.context.pool.acquire() as conn:
        await record_action(
            conn, UUID(command_id(form)), page.viewer.id, READ, _target(row["id"]), reason
        )
    notice = f"The personal values are shown for {SHOWN_MINUTES} minutes. The read is recorded."
    return Done(f"/console/events/{row['id']}", notice)


async def _find(event_log: EventLog, page: Page) -> Any:
    row = await event_log.find(page.id("event_id"))
    if row is None:
        raise not_found("event")
    return row


async def _read_values(page: Page, row: asyncpg.Record) -> tuple[dict[str, Any] | None, str | None]:
    """Return the personal values if the person asked for them a short time ago, or the problem.

    The read is accounted before they leave the core, as for an API key.
    """
    viewer, pool = page.viewer, page.context.pool
    async with pool.acquire() as conn:
        if not await has_recent_action(conn, viewer.id, READ, _target(row["id"]), SHOWN_MINUTES):
            return None, None
    events, missing = await open_rows(pool, [row])
    if missing is not None:
        return None, "the data key is missing in the key store; the person was not erased"
    [event] = events
    if event.is_erased:
        return None, "the person was erased, so nobody can read these values"
    if not isinstance(event.recorded.event, Event):
        return None, event.recorded.event.why
    reader = f"{'operator' if viewer.is_operator else 'user'}:{viewer.id}"
    async with pool.acquire() as conn:
        await account_reads(conn, row["org_id"], reader, events)
    content: dict[str, Any] = orjson.loads(serialize(event.recorded.event))
    return {name: content.get(name) for name in _hidden_fields(row)}, None


def _target(event_id: UUID) -> Mapping[str, str]:
    return {"event_id": str(event_id)}


def _clear_fields(row: asyncpg.Record) -> dict[str, Any]:
    """Return the fields of the stored payload that are no personal values."""
    content: dict[str, Any] = orjson.loads(row["payload"])
    hidden = {SEALED, *_hidden_fields(row)}
    return {name: value for name, value in content.items() if name not in hidden}


def _hidden_fields(row: asyncpg.Record) -> list[str]:
    """Return the personal fields of the payload: the sealed ones, and those of the catalog.

    The payload of an event that this build does not know is hidden as a whole.
    """
    content: dict[str, Any] = orjson.loads(row["payload"])
    sealed = content.get(SEALED, {}).get("fields", [])
    entry = CATALOG.get(row["event_type"])
    if entry is None:
        return sorted({*sealed, *content} - {SEALED})
    return sorted({*sealed, *(name for name in entry.personal if name in content)})


ROUTES = (
    page_route("/events", list_log_events),
    page_route("/events/{event_id}", show_event),
    form_route(
        "/events/{event_id}/values",
        "event_values.html",
        prepare_reading,
        ask_for_values,
        for_readers=True,
    ),
)
