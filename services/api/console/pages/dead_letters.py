"""A dead letter, and the forms that redrive, drop or open dead letters."""

from typing import Any
from uuid import UUID

from starlette.responses import Response

from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.reasons import require_reason
from services.api.console.refused_filters import read_dead_letter_filter
from services.api.console.words import describe_count
from services.api.problems import Problem, not_found
from services.application import dead_letters
from services.application.dead_letters import DeadLetterFilter
from services.application.edited_records import (
    NotEditable,
    edit_record,
    read_data,
    replace_dead_letter,
)
from services.application.operator_actions import has_recent_action, record_action
from services.application.operator_requests import RequestKind, insert_request
from services.application.rejection import RejectedRecord
from services.application.sealed_records import DeadLetter

LIST = "/console/refused?kind=dead"
READ = "read_dead_letter"
SHOWN_MINUTES = 10
PREVIEW_ROWS = 10


async def show_dead_letter(page: Page) -> Response:
    """Show one dead letter; its content only after the person has asked for it."""
    dead = await _find(page)
    content = dead_letters.describe(dead) if await _is_shown(page, dead.id) else None
    return page.render("dead_letter.html", dead=dead, content=content, minutes=SHOWN_MINUTES)


async def prepare_opening(page: Page) -> dict[str, Any]:
    """Return the dead letter whose content would be shown."""
    return {"dead": await _find(page), "minutes": SHOWN_MINUTES}


async def open_content(page: Page, form: Form) -> Done:
    """Store who asks for the content of a record and why; then show it."""
    reason, dead = require_reason(form), await _find(page)
    async with page.context.pool.acquire() as conn:
        await record_action(
            conn, UUID(command_id(form)), page.viewer.id, READ, _target(dead.id), reason
        )
    notice = f"The content is shown for {SHOWN_MINUTES} minutes. The read is recorded."
    return Done(f"/console/refused/dead/{dead.id}", notice)


async def prepare_selection(page: Page) -> dict[str, Any]:
    """Return how many open dead letters the address selects, by reason, and the newest of them."""
    chosen = read_open_filter(page)
    async with page.context.pool.acquire() as conn:
        return {
            "chosen": chosen, "count": await dead_letters.count(conn, chosen),
            "rows": await dead_letters.list_rows(conn, chosen, None, PREVIEW_ROWS),
        }  # fmt: skip


async def request_redrive(page: Page, form: Form) -> Done:
    """Ask the intake to process the selected dead letters again."""
    reason, action_id = require_reason(form), UUID(command_id(form))
    target = read_open_filter(page).to_json()
    async with page.context.pool.acquire() as conn, conn.transaction():
        if await record_action(conn, action_id, page.viewer.id, "redrive", target, reason):
            await insert_request(conn, action_id, RequestKind.REDRIVE, target)
    notice = "The records are processed again, oldest first. The result appears here."
    return Done(LIST, notice, f"{LIST}#request-{action_id}")


async def drop_selection(page: Page, form: Form) -> Done:
    """Mark the selected dead letters as dropped; they stay in the table."""
    reason, action_id = require_reason(form), UUID(command_id(form))
    chosen = read_open_filter(page)
    dropped = 0
    async with page.context.pool.acquire() as conn, conn.transaction():
        if await record_action(
            conn, action_id, page.viewer.id, "drop_dead_letters", chosen.to_json(), reason
        ):
            dropped = await dead_letters.drop(conn, chosen)
    return Done(LIST, f"Dropped: {describe_count(dropped, 'record')}.", f"{LIST}&status=dropped")


async def prepare_edit(page: Page) -> dict[str, Any]:
    """Return the data of the record; None if the person has not asked for its content."""
    dead = await _find(page)
    try:
        data = read_data(dead)
    except NotEditable as error:
        raise _not_editable(error) from None
    return {"dead": dead, "data": data if await _is_shown(page, dead.id) else None}


async def send_edited(page: Page, form: Form) -> Done:
    """Store the corrected record in place of the refused one, and ask the intake to process it."""
    reason, action_id = require_reason(form), UUID(command_id(form))
    dead, actor = await _find(page), f"user:{page.viewer.id}"
    async with page.context.pool.acquire() as conn, conn.transaction():
        target = _target(dead.id)
        if await record_action(conn, action_id, page.viewer.id, "edit_dead_letter", target, reason):
            try:
                record, read = edit_record(
                    dead, form.get("data", ""), command_id=action_id, actor=actor, reason=reason
                )
                await replace_dead_letter(conn, dead, record, read)
            except NotEditable as error:
                raise _not_editable(error) from None
            except RejectedRecord as error:
                raise Problem(400, error.reason, error.detail) from None
            chosen = DeadLetterFilter([record.id])
            await insert_request(conn, action_id, RequestKind.REDRIVE, chosen.to_json())
    notice = "The new record is processed. The result appears on the page of refused records."
    return Done(f"/console/refused/dead/{dead.id}", notice, f"{LIST}#request-{action_id}")


def _not_editable(error: NotEditable) -> Problem:
    return Problem(409, "not_editable", f"the record cannot be edited: {error}")


async def _is_shown(page: Page, dead_letter_id: UUID) -> bool:
    """Return whether the person has asked for the content of a record in the last minutes."""
    async with page.context.pool.acquire() as conn:
        return await has_recent_action(
            conn, page.viewer.id, READ, _target(dead_letter_id), SHOWN_MINUTES
        )


def read_open_filter(page: Page) -> DeadLetterFilter:
    """Return the filter of the address. Raise 400 for one that selects no open ones."""
    chosen = read_dead_letter_filter(page)
    if chosen.status != "open":
        raise Problem(400, "not_open", "only open dead letters can be redriven or dropped")
    return chosen


async def _find(page: Page) -> DeadLetter:
    chosen = DeadLetterFilter([page.id("dead_letter_id")], status=None)
    async with page.context.pool.acquire() as conn:
        found = await dead_letters.find(conn, chosen, 1)
    if not found:
        raise not_found("dead letter")
    return found[0]


def _target(dead_letter_id: UUID) -> dict[str, str]:
    return {"dead_letter_id": str(dead_letter_id)}


ROUTES = (
    form_route("/refused/dead/redrive", "dead_redrive.html", prepare_selection, request_redrive,
               for_operators=True),
    form_route("/refused/dead/drop", "dead_drop.html", prepare_selection, drop_selection,
               for_operators=True),
    page_route("/refused/dead/{dead_letter_id}", show_dead_letter, for_operators=True),
    form_route("/refused/dead/{dead_letter_id}/content", "dead_content.html", prepare_opening,
               open_content, for_operators=True),
    form_route("/refused/dead/{dead_letter_id}/edit", "dead_edit.html", prepare_edit, send_edited,
               for_operators=True),
)  # fmt: skip
