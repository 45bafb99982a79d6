"""The messages of a property that wait or did not leave, with the reason of each."""

from typing import Any

from starlette.responses import Response

from services.api.console.days import describe_moment
from services.api.console.endpoints import page_route
from services.api.console.lead_answers import name_lead
from services.api.console.message_words import describe_rule, describe_state, tag_of
from services.api.console.page import Page
from services.api.console.pages.lead import names_of
from services.api.console.parts import read_parts
from services.api.console.times import parse_instant

STATES = {
    "held": "held", "planned": "planned for later", "not_sent": "not sent", "failed": "failed",
    "unknown": "outcome unknown", "sent": "sent",
}  # fmt: skip
"""State of the API → words."""
PERIODS = ("7", "30", "90")
PAST = (
    ("not_sent", "message did not leave", "messages did not leave"),
    ("failed", "failed", "failed"),
    ("unknown", "has an unknown outcome", "have an unknown outcome"),
)
WAITING = (
    ("held", "is held", "are held"),
    ("planned", "is planned for later", "are planned for later"),
)
Count = tuple[str, int, str]
"""A state, the number of its messages, and the words after the number."""


async def list_messages(page: Page) -> Response:
    """Show a page of messages, newest first, as the API filters them."""
    state, days = page.query.get("state", ""), page.query.get("days") or PERIODS[0]
    found = await page.api.get(
        "/api/deliveries", propertyId=page.here.id, state=state, days=days,
        cursor=page.query.get("cursor"),
    )  # fmt: skip
    parts = await read_parts({"agents": page.api.get("/api/agents")})
    names = names_of(parts)
    return page.render(
        "messages.html", state=state, days=days, states=STATES, periods=PERIODS,
        messages=[_describe(page, message, names) for message in found["deliveries"]],
        next_cursor=found["nextCursor"], counts=found["counts"],
        is_complete=found["countsComplete"], past=count_past(found["counts"]),
        waiting=_count(WAITING, found["counts"]), next_words=_describe_next(page, found["next"]),
    )  # fmt: skip


def count_past(counts: dict[str, int]) -> list[Count]:
    """Return the numbers of messages that did not leave, failed, or have an unknown outcome.

    The first one names what is counted: `1 message failed`.
    """
    found = _count(PAST, {**counts, "not_sent": counts["notSent"]})
    if found and found[0][0] != "not_sent":
        state, number, words = found[0]
        found[0] = (state, number, f"{'message' if number == 1 else 'messages'} {words}")
    return found


def _count(texts: tuple[tuple[str, str, str], ...], counts: dict[str, int]) -> list[Count]:
    return [
        (state, counts[state], one if counts[state] == 1 else many)
        for state, one, many in texts
        if counts[state]
    ]


def _describe(page: Page, message: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return a message with words for its rule and state, and with when it leaves."""
    workflows = {message["runId"]: message["workflow"] or "workflow"}
    return {
        **message, "lead_name": name_lead(message["lead"]), "tag": tag_of(message),
        "rule": describe_rule(message, workflows, names),
        "state": describe_state(message, page.now, page.here.zone),
        "leaves": _describe_leaving(page, message),
    }  # fmt: skip


def _describe_leaving(page: Page, message: dict[str, Any]) -> str:
    """Return when a message leaves; empty if it will not, or if that is not known."""
    forecast = message["forecast"]
    if forecast is None or forecast["at"] is None:
        return ""
    return describe_moment(max(parse_instant(forecast["at"]), page.now), page.now, page.here.zone)


def _describe_next(page: Page, message: dict[str, Any] | None) -> str:
    """Return what happens to the message at which the sender looks first; empty without one."""
    if message is None:
        return ""
    leaves = _describe_leaving(page, message)
    return f"leaves {leaves}" if leaves else describe_state(message, page.now, page.here.zone)


ROUTES = (page_route("/properties/{property_id}/messages", list_messages, is_personal=False),)
