"""The page of a lead: who it is, why it has its score, what happened and what is planned."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, get_args

from starlette.responses import Response

from services.api.console.endpoints import page_route
from services.api.console.lead_answers import answer_erased, answer_lead, name_lead
from services.api.console.message_words import (
    SENT,
    describe_rule,
    describe_state,
    describe_values,
    tag_of,
)
from services.api.console.page import Page
from services.api.console.parts import Parts, read_parts
from services.api.console.score_curve import describe_movers, describe_parts, draw_curve
from services.api.console.timeline_words import describe_timeline
from services.api.console.times import parse_instant
from services.api.schemas.timeline import TimelineKind

SHOWN_CHANGES, ALL_CHANGES = 100, 500
STRICTEST_FIRST = ("withdrawn", "given")


async def show_lead(page: Page) -> Response:
    """Show a lead. The id of a merged lead shows the lead into which it was merged."""
    found = await find_lead(page)
    lead, path = found["lead"], f"/api/leads/{found['lead']['id']}"
    if found["erasedAt"] is not None:
        answer = answer_erased(found["erasedAt"], page.here.zone)
        return page.render("lead_erased.html", lead=lead, found=found, answer=answer)
    get = page.api.get
    kind = page.query.get("kind")
    timeline = get(
        f"{path}/timeline", cursor=page.query.get("cursor"),
        kind=kind if kind in get_args(TimelineKind) else None,
    )  # fmt: skip
    parts = await read_parts({
        "score": get("/api/leadpulse/score", leadId=lead["id"]),
        "scores": get(f"{path}/scores", limit=SHOWN_CHANGES),
        "timeline": timeline,
        "deliveries": get(f"{path}/deliveries"),
        "tours": get(f"{path}/tours"),
        "tasks": get(f"{path}/tasks"),
        "runs": get(f"{path}/workflow"),
        "conversations": get(
            "/api/conversations", propertyId=lead["property_id"], leadId=lead["id"]
        ),
        "agents": get("/api/agents"),
    })  # fmt: skip
    messages = describe_messages(page, parts)
    zone = page.here.zone
    return page.render(
        "lead.html", lead=lead, found=found, parts=parts, name=name_lead(lead),
        answer=answer_lead(lead, parts, page.now, zone),
        consents=stricter_consents(found["consents"]),
        timeline=describe_timeline(parts.get("timeline", "items", ())),
        curve=draw_curve(parts.get("scores", "scores", ()), page.now, zone),
        planned=[one for one in messages if one["forecast"] is not None],
        not_sent=[
            one for one in messages if one["forecast"] is None and one["status"] not in SENT
        ],
        not_planned=parts.get("deliveries", "notPlanned", ()),
        message_count=len(messages), agents=names_of(parts), kinds=get_args(TimelineKind),
        is_current=is_current,
    )  # fmt: skip


async def show_score(page: Page) -> Response:
    """Show each change of a lead's score with what moved it: the curve, and the same as a table."""
    found = await find_lead(page)
    lead = found["lead"]
    is_whole = page.query.get("changes") == "all"
    limit = ALL_CHANGES if is_whole else SHOWN_CHANGES
    history = await page.api.get(f"/api/leads/{lead['id']}/scores", limit=limit)
    changes = [
        {**change, "movers": describe_movers(change), "moved": describe_parts(change)}
        for change in history["scores"]
    ]
    real = [change for change in changes if change["change"]] or changes
    return page.render(
        "lead_score.html", lead=lead, members=found["members"], name=name_lead(lead),
        changes=real, same=[change for change in changes if change not in real],
        is_complete=history["isComplete"], is_whole=is_whole,
        curve=draw_curve(changes, page.now, page.here.zone),
    )  # fmt: skip


async def show_messages(page: Page) -> Response:
    """Show every message to a lead, and why those that were not sent were not."""
    found = await find_lead(page)
    lead, path = found["lead"], f"/api/leads/{found['lead']['id']}"
    parts = await read_parts({
        "deliveries": page.api.get(f"{path}/deliveries"),
        "runs": page.api.get(f"{path}/workflow"),
        "agents": page.api.get("/api/agents"),
    })  # fmt: skip
    return page.render(
        "lead_messages.html", lead=lead, members=found["members"], name=name_lead(lead),
        parts=parts, messages=describe_messages(page, parts),
        not_planned=parts.get("deliveries", "notPlanned", ()), agents=names_of(parts),
        describe_values=describe_values,
    )  # fmt: skip


async def find_lead(page: Page) -> Any:
    """Return the lead of the path as the API has it, and make its property the page's."""
    found = await page.api.get(f"/api/leads/{page.id('lead_id')}")
    page.at_property(found["lead"]["property_id"])
    return found


async def find_contact_matches(page: Page, lead_id: object, **contact: str) -> list[Any]:
    """Return other leads with a contact; without one, with the contact details of the lead."""
    found = await page.api.get(f"/api/leads/{lead_id}/contact-matches", **contact)
    matches: list[Any] = found["leads"]
    return matches


def names_of(parts: Parts) -> dict[str, str]:
    """Return user → name."""
    agents = parts.get("agents", "agents", ())
    return {agent["id"]: agent["full_name"] or "a user without a name" for agent in agents}


def describe_messages(page: Page, parts: Parts) -> list[dict[str, Any]]:
    """Return the messages to a lead with words for their states and rules."""
    workflows = {run["id"]: run["definition_name"] for run in parts.get("runs", "runs", ())}
    names, zone = names_of(parts), page.here.zone
    return [
        {
            **message,
            "state": describe_state(message, page.now, zone),
            "rule": describe_rule(message, workflows, names),
            "tag": tag_of(message),
        }
        for message in parts.get("deliveries", "deliveries", ())
    ]


def stricter_consents(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return one consent for each channel: of merged leads the stricter one counts."""
    strictest: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda one: STRICTEST_FIRST.index(one["status"])):
        strictest.setdefault(row["channel"], row)
    return [strictest[channel] for channel in sorted(strictest)]


def is_current(at: str | None, now: datetime) -> bool:
    """Return whether an instant is still to come."""
    return at is not None and parse_instant(at) > now


ROUTES = (
    page_route("/leads/{lead_id}", show_lead, is_personal=False),
    page_route("/leads/{lead_id}/score", show_score, is_personal=False),
    page_route("/leads/{lead_id}/messages", show_messages, is_personal=False),
)
