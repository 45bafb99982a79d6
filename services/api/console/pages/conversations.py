"""The inbox of a property, and one conversation: take over, reply, give back."""

import asyncio
from datetime import datetime
from typing import Any

from starlette.responses import Response

from services.api.console.api_calls import ApiRefused
from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.times import describe_duration, parse_instant

PAGE_SIZE = 50
CONVERSATION = "/conversations/{conversation_id}"


async def list_conversations(page: Page) -> Response:
    """Show the conversations of a property: those that wait, then the newest."""
    before = page.query.get("before")
    query = {"propertyId": page.here.id, "limit": PAGE_SIZE}
    newest, waiting = await asyncio.gather(
        page.api.get("/api/conversations", **query, before=before),
        page.api.get("/api/conversations", **query, waiting="true"),
    )
    waiting_rows = waiting["conversations"]
    waiting_ids = {row["id"] for row in waiting_rows}
    rows = newest["conversations"]
    return page.render(
        "inbox.html", answer=_answer(waiting_rows, page.now),
        waiting=[] if before else waiting_rows,
        others=[row for row in rows if row["id"] not in waiting_ids],
        older=rows[-1]["id"] if len(rows) == PAGE_SIZE else None, before=before,
    )  # fmt: skip


def _answer(waiting: list[dict[str, Any]], now: datetime) -> str:
    """Return how many visitors wait for a person, and the longest for how long."""
    if not waiting:
        return "No visitor waits for a person."
    span = describe_duration(now - min(parse_instant(row["waiting_since"]) for row in waiting))
    if len(waiting) == 1:
        return f"1 conversation waits for a person, for {span}."
    if len(waiting) == PAGE_SIZE:
        return f"{PAGE_SIZE} or more conversations wait for a person."
    return f"{len(waiting)} conversations wait for a person; the oldest for {span}."


async def show_conversation(page: Page) -> Response:
    """Show a conversation with its messages and its lead, and what the person may do."""
    values = await prepare_conversation(page)
    lead = values["conversation"]["lead"]
    score = None
    if lead is not None:
        try:
            found = await page.api.get("/api/leadpulse/score", leadId=lead["id"])
            score = found["score"]
        except ApiRefused as refused:
            if refused.status >= 500:
                raise
    command = command_id({})
    return page.render("conversation.html", **values, score=score, command_id=command)


async def prepare_conversation(page: Page) -> dict[str, Any]:
    """Return a conversation, and how the person stands to it."""
    path = f"/api/conversations/{page.id('conversation_id')}"
    found = await page.api.get(path, before=page.query.get("before"))
    conversation = found["conversation"]
    page.at_property(conversation["property_id"])
    agent_id = conversation["human_agent_id"] if conversation["is_human_mode"] else None
    user = page.viewer.user
    is_own = user is not None and agent_id == str(user.id)
    return {
        "conversation": conversation, "is_own": is_own,
        "can_reply": page.can_write and is_own,
        "can_take_over": page.can_write and not conversation["is_human_mode"],
        "can_give_back": page.can_write
        and conversation["is_human_mode"]
        and (is_own or page.viewer.is_admin or agent_id is None),
    }  # fmt: skip


async def take_over(page: Page, form: Form) -> Done:
    """Take a conversation over from the bot."""
    path = f"/api/conversations/{page.id('conversation_id')}/takeover"
    found = await page.api.write("POST", path, command_id=command_id(form))
    return _done(page, f"You lead this conversation now. The visitor has read: {found['message']}")


async def give_back(page: Page, form: Form) -> Done:
    """Give a conversation back to the bot."""
    path = f"/api/conversations/{page.id('conversation_id')}/takeover"
    found = await page.api.write("DELETE", path, command_id=command_id(form))
    return _done(page, f"The bot replies again. The visitor has read: {found['message']}")


async def reply(page: Page, form: Form) -> Done:
    """Send a message to the visitor."""
    path = f"/api/conversations/{page.id('conversation_id')}/messages"
    sent_id = command_id(form)
    body = {"content": form.get("content", ""), "messageId": sent_id}
    await page.api.write("POST", path, body, command_id=sent_id)
    return _done(page, "Your reply was sent.")


def _done(page: Page, notice: str) -> Done:
    return Done(f"/console/conversations/{page.id('conversation_id')}", notice)


ROUTES = (
    page_route("/properties/{property_id}/inbox", list_conversations, is_personal=False),
    page_route(CONVERSATION, show_conversation),
    form_route(
        CONVERSATION + "/takeover", "take_over_conversation.html", prepare_conversation, take_over
    ),
    form_route(
        CONVERSATION + "/give-back", "give_back_conversation.html", prepare_conversation, give_back
    ),
    form_route(CONVERSATION + "/reply", "reply.html", prepare_conversation, reply),
)
