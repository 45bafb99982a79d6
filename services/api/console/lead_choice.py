"""The choice of a lead for a page that shows what would happen to it: by search, or the newest."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.api.console.lead_answers import name_lead
from services.api.console.page import Page
from services.api.problems import not_found

MAX_FOUND = 8


@dataclass(frozen=True, slots=True)
class LeadChoice:
    """The chosen lead with its name, and the leads from which another one can be chosen."""

    lead: dict[str, Any] | None
    name: str | None
    found: list[dict[str, Any]]
    text: str


async def read_choice(page: Page) -> LeadChoice:
    """Return the lead `lead` of the address, and those whose name or contact has the text `find`.

    Raise 404 for a lead of another property.
    """
    text = page.query.get("find", "")
    listed = await page.api.get("/api/leads", propertyId=page.here.id, search=text, limit=MAX_FOUND)
    found = [{**lead, "name": name_lead(lead)} for lead in listed["leads"]]
    chosen = page.query.get("lead")
    if chosen is None:
        return LeadChoice(None, None, found, text)
    try:
        lead_id = UUID(chosen)
    except ValueError:
        raise not_found("lead") from None
    body = await page.api.get(f"/api/leads/{lead_id}")
    lead = body["lead"]
    if UUID(lead["property_id"]) != page.here.id:
        raise not_found("lead")
    return LeadChoice(lead, name_lead(lead), found, text)
