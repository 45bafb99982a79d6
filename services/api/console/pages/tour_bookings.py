"""The form that books a tour in the calendar: a lead by search, a free slot, and the rest."""

from typing import Any
from uuid import UUID

from events.deliveries import DeliveryPurpose
from events.tours import TourType
from services.api.console.api_calls import ApiRefused
from services.api.console.endpoints import command_id, form_route
from services.api.console.forms import Done, Form
from services.api.console.lead_answers import name_lead
from services.api.console.page import Page
from services.api.console.parts import read_parts
from services.api.console.tour_effects import (
    describe_effects,
    describe_notice,
    read_consequences,
)
from services.api.console.tour_times import entered, read_free_slots, read_time, today_at
from services.api.problems import Problem
from services.deciders.workflows import Trigger

SHOWN_LEADS = 10


async def prepare_booking(page: Page) -> dict[str, Any]:
    """Return the leads that match, the free slots of the day, and what a booking will change."""
    values = entered(page)
    day = values.get("date") or today_at(page).isoformat()
    parts = await read_parts({
        "leads": page.api.get(
            "/api/leads", propertyId=page.here.id, search=values.get("search"), limit=SHOWN_LEADS
        ),
        "agents": page.api.get("/api/agents"),
    })  # fmt: skip
    found = parts.get("leads", "leads", ())
    chosen = await _find_chosen(page, values.get("lead"))
    effects, notice = [], None
    if chosen is not None:
        consequences = await read_consequences(page, chosen["id"])
        effects = describe_effects(Trigger.TOUR_BOOKED, chosen, consequences)
        notice = describe_notice(DeliveryPurpose.TOUR_CONFIRMATION, consequences)
        found = [chosen, *(lead for lead in found if lead["id"] != chosen["id"])]
    return {
        "query": values, "day": day, "leads": found, "chosen": chosen, "effects": effects,
        "notice": notice, "agents": parts.get("agents", "agents", ()),
        "types": [one.value for one in TourType], **await read_free_slots(page, day),
    }  # fmt: skip


async def _find_chosen(page: Page, lead_id: str | None) -> dict[str, Any] | None:
    """Return the lead that the address names; None if there is no such lead at the property."""
    try:
        found = await page.api.get(f"/api/leads/{UUID(lead_id or '')}")
    except (ValueError, ApiRefused):
        return None
    lead: dict[str, Any] = found["lead"]
    return lead if lead["property_id"] == str(page.here.id) else None


async def book_slot(page: Page, form: Form) -> Done:
    """Book a tour for the chosen lead."""
    lead = await _find_chosen(page, form.get("lead"))
    if lead is None:
        raise Problem(400, "no_lead", "no lead is chosen: search for one, and choose it")
    body = {
        **read_time(form), "tourType": form.get("type", TourType.IN_PERSON.value),
        "notes": form.get("notes", ""), "assignedAgentId": form.get("agent") or None,
        "sendConfirmation": "notify" in form,
    }  # fmt: skip
    path = f"/api/leads/{lead['id']}/tours"
    found = await page.api.write("POST", path, body, command_id=command_id(form))
    tour = found["tour"]
    return Done(
        f"{page.here.path('tours')}?week={tour['tour_date']}",
        f"The tour of {name_lead(lead)} is booked: {tour['tour_date']} at {tour['tour_time'][:5]}.",
        f"/console/tours/{tour['id']}",
    )  # fmt: skip


ROUTES = (
    form_route(
        "/properties/{property_id}/tours/book", "tour_book.html", prepare_booking, book_slot
    ),
)  # fmt: skip
