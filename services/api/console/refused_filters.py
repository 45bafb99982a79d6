"""The filters of dead letters, as the address of a page has them."""

from datetime import datetime
from uuid import UUID

from services.api.console.page import Page
from services.api.problems import Problem
from services.application.dead_letters import DeadLetterFilter

PAGE_SIZE = 50


def read_dead_letter_filter(page: Page) -> DeadLetterFilter:
    """Return the filter of the address, by default of the open dead letters. Raise 400."""
    query = page.query
    return DeadLetterFilter(
        [_read_id(text, "id") for text in query.get("id", "").split(",") if text],
        None if query.get("status") == "all" else query.get("status", "open"),
        query.get("reason"),
        _read_id(query["property"], "property") if "property" in query else None,
        query.get("type"),
        query.get("source"),
    )


def read_after(page: Page) -> tuple[datetime, UUID] | None:
    """Return the last dead letter of the page before, None on the first page. Raise 400."""
    if not (text := page.query.get("after")):
        return None
    at, _, dead_letter_id = text.partition("_")
    try:
        return datetime.fromisoformat(at), UUID(dead_letter_id)
    except ValueError:
        raise _malformed("after", text) from None


def _read_id(text: str, name: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise _malformed(name, text) from None


def _malformed(name: str, text: str) -> Problem:
    return Problem(400, "malformed", f"{name}: {text!r} is not valid: open the list again")
