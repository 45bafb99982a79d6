"""The reason that a console user gives for a change, in a header of the request."""

from typing import Annotated
from urllib.parse import unquote
from uuid import UUID

from fastapi import Header
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from uuid_utils.compat import uuid7

from events.fields import Text
from services.api.auth.console_users import ConsoleUser
from services.api.auth.visitors import Visitor
from services.api.problems import Problem
from services.application.unit_of_work import UnitOfWork
from services.deciders.explanations import (
    ExplainChange,
    ExplainConversationChange,
    ExplainPropertyChange,
)
from services.runtime.unicode_text import normalize_texts

REASON_HEADER = "X-CRM-Reason"
MAX_REASON_LENGTH = 1_000
_TEXT: TypeAdapter[str] = TypeAdapter(Text)


async def check_reason(
    reason: Annotated[
        str | None,
        Header(
            alias=REASON_HEADER,
            description="Why the change is made, percent-encoded UTF-8. It is recorded as an event "
            "of its own, in the same transaction.",
            json_schema_extra={"maxLength": 9 * MAX_REASON_LENGTH},
        ),
    ] = None,
) -> None:
    """Raise 400 for a reason that cannot be stored."""
    if reason is not None:
        _parse(reason)


def find_reason(request: Request) -> str | None:
    """Return the reason of a request; None without one, or if it is blank. Raise 400."""
    text = request.headers.get(REASON_HEADER)
    return None if text is None else _parse(text) or None


def _parse(text: str) -> str:
    try:
        reason = _TEXT.validate_python(normalize_texts(unquote(text, errors="strict"))).strip()
    except (UnicodeDecodeError, ValidationError):
        reason = ""
        if text.strip():
            raise _invalid(text) from None
    if len(reason) > MAX_REASON_LENGTH:
        raise _invalid(text)
    return reason


def _invalid(text: str) -> Problem:
    return Problem(
        400, "invalid_reason",
        f"{REASON_HEADER} has {len(text)} characters or is not percent-encoded UTF-8: send at most "
        f"{MAX_REASON_LENGTH} characters of text",
    )  # fmt: skip


async def explain_change(uow: UnitOfWork, request: Request, caller: Visitor | ConsoleUser) -> None:
    """Record the reason of what was decided, if a console user gives one.

    The first event of a lead is explained, else the first one of a conversation, else the first
    one. All events of the transaction have its correlation.
    """
    if not isinstance(caller, ConsoleUser) or not uow.events:
        return
    if (reason := find_reason(request)) is None:
        return
    for event_id, event in uow.events:
        if isinstance(lead_id := getattr(event, "lead_id", None), UUID):
            await uow.execute(ExplainChange(uuid7(), lead_id, event_id, reason, caller.id))
            return
    for event_id, event in uow.events:
        if isinstance(conversation_id := getattr(event, "conversation_id", None), UUID):
            await uow.execute(
                ExplainConversationChange(conversation_id, event_id, reason, caller.id)
            )
            return
    property_id, (event_id, _) = uow.scope.property_id, uow.events[0]
    await uow.execute(ExplainPropertyChange(uuid7(), property_id, event_id, reason, caller.id))
