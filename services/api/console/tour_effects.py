"""Sentences about the effects of a form on a tour: score, status, messages, workflows."""

from collections.abc import Mapping
from typing import Any

from events.deliveries import DeliveryPurpose
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementType
from events.leads import LeadStatus
from events.workflows import MessageChannel
from services.api.console.lead_answers import name_lead
from services.api.console.page import Page
from services.api.console.parts import Parts, read_parts
from services.api.console.words import words_of
from services.deciders.leads import Lead, status_after_booking, status_after_tour
from services.deciders.tour_messages import TEMPLATE_OF
from services.deciders.workflows import Trigger

Row = Mapping[str, Any]
_ADDRESS = {MessageChannel.EMAIL: "email", MessageChannel.SMS: "phone"}
_POINTS = {
    Trigger.TOUR_BOOKED: EngagementType.TOUR_SCHEDULED,
    Trigger.TOUR_COMPLETED: EngagementType.TOUR_COMPLETED,
    Trigger.TOUR_NO_SHOW: EngagementType.TOUR_NO_SHOW,
}
_STATUS = {Trigger.TOUR_BOOKED: status_after_booking, Trigger.TOUR_COMPLETED: status_after_tour}


async def read_consequences(page: Page, lead_id: str) -> Parts:
    """Read what decides about the consequences: the lead, its consents, templates, workflows."""
    property_id = page.here.id
    return await read_parts({
        "lead": page.api.get(f"/api/leads/{lead_id}"),
        "templates": page.api.get("/api/workflows/templates", propertyId=property_id),
        "workflows": page.api.get("/api/workflows/definitions", propertyId=property_id),
    })  # fmt: skip


def describe_effects(trigger: Trigger, lead: Row, parts: Parts) -> list[str]:
    """Return what an occurrence of a tour changes besides the tour itself."""
    name = name_lead(lead)
    effects = []
    if kind := _POINTS.get(trigger):
        effects.append(
            f"{words_of(kind.value).capitalize()} counts {ENGAGEMENT_WEIGHTS[kind]:+d} points "
            f"for the engagement of {name}."
        )
    find_status = _STATUS.get(trigger)
    if find_status and lead["status"]:
        status = find_status(Lead(exists=True, status=LeadStatus(lead["status"])))
        if status is not None:
            effects.append(
                f"The status of {name} becomes “{words_of(status)}”; now it is "
                f"“{words_of(lead['status'])}”."
            )
    started = [
        row["name"]
        for row in parts.get("workflows", "definitions", ())
        if row["is_active"] and row["trigger_on"] == trigger
    ]
    if started:
        effects.append(f"Workflows that start with it: {', '.join(started)}.")
    return effects


def describe_notice(purpose: DeliveryPurpose, parts: Parts) -> list[str]:
    """Return to whom a message about a tour goes, for each channel, or why it does not."""
    if "lead" not in parts.bodies or "templates" not in parts.bodies:
        return ["Whether a message can be sent is not known now."]
    found = parts.bodies["lead"]
    withdrawn = {row["channel"] for row in found["consents"] if row["status"] == "withdrawn"}
    active = {row["slug"] for row in parts.bodies["templates"]["templates"] if row["is_active"]}
    lines = []
    for channel, field in _ADDRESS.items():
        address, slug = found["lead"][field], f"{TEMPLATE_OF[purpose]}-{channel}"
        if not address:
            why = "there is no address" if channel is MessageChannel.EMAIL else "there is no number"
        elif slug not in active:
            why = f"the template {slug} is not active"
        elif channel in withdrawn:
            why = "the lead has withdrawn its consent"
        else:
            lines.append(f"by {words_of(channel)} to {address}")
            continue
        lines.append(f"not by {words_of(channel)}: {why}")
    return lines
