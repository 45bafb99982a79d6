"""Form of a lead's name, e-mail address and phone number, and who else has the same ones."""

from typing import Any

from services.api.console.endpoints import command_id, form_route
from services.api.console.forms import Done, Form
from services.api.console.lead_answers import name_lead
from services.api.console.page import Page
from services.api.console.pages.lead import find_contact_matches, find_lead

FIELDS = {
    "first_name": "First name",
    "last_name": "Last name",
    "email": "E-mail",
    "phone": "Phone",
}
"""Name of a detail → its label."""


async def prepare_details(page: Page) -> dict[str, Any]:
    """Return the lead, and other leads with its e-mail address or phone number."""
    found = await find_lead(page)
    lead = found["lead"]
    return {
        "lead": lead, "name": name_lead(lead), "labels": FIELDS,
        "candidates": await find_contact_matches(page, lead["id"]),
    }  # fmt: skip


async def change_details(page: Page, form: Form) -> Done:
    """Change the details that the form has; an empty one is cleared."""
    lead_id = page.id("lead_id")
    path = f"/console/leads/{lead_id}"
    changes = {name: form.get(name, "") for name in FIELDS}
    body = {"leadId": str(lead_id), **changes}
    # Before the write: a read after it waits until the tables contain it.
    same = await _find_same_phone(page, form.get("phone", ""))
    await page.api.write("PATCH", "/api/leads", body, command_id=command_id(form))
    if not same:
        return Done(path, "The contact details are changed.")
    notice = f"The contact details are changed. {same} has the same phone: is it the same person?"
    return Done(path, notice, f"{path}/merge", "Compare and merge")


async def _find_same_phone(page: Page, phone: str) -> str:
    """Return who else has a phone number, in words; an empty text for nobody."""
    if not phone:
        return ""
    others = await find_contact_matches(page, page.id("lead_id"), phone=phone)
    if len(others) > 1:
        return "More than one other lead"
    return name_lead(others[0]) if others else ""


ROUTES = (
    form_route("/leads/{lead_id}/details", "lead_details.html", prepare_details, change_details),
)
