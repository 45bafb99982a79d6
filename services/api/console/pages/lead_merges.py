"""Forms that merge a lead into another one, and that undo a merge."""

from typing import Any
from uuid import UUID

from services.api.console.endpoints import command_id, form_route
from services.api.console.forms import Done, Form
from services.api.console.lead_answers import name_lead
from services.api.console.page import Page
from services.api.console.pages.lead import find_contact_matches, find_lead, stricter_consents
from services.api.problems import Problem, not_found
from services.deciders.leads import AGENT, ZONE
from services.deciders.merges import FILLED
from services.deciders.runs import LIVE

MAX_CANDIDATES = 10
SHOWN_FIELDS = [{ZONE: "lead_zone"}.get(name, name) for name in FILLED if name != AGENT]


async def prepare_merge(page: Page) -> dict[str, Any]:
    """Return what a merge changes; before another lead is chosen, leads that may be the same."""
    found = await find_lead(page)
    lead = found["lead"]
    values = {"lead": lead, "name": name_lead(lead), "other": None}
    if "into" not in page.query:
        return {**values, **await _find_candidates(page, found)}
    other = await page.api.get(f"/api/leads/{_chosen(page)}")
    runs = await page.api.get(f"/api/leads/{lead['id']}/workflow")
    winner = other["lead"]
    return {
        **values, "other": winner, "other_name": name_lead(winner),
        "fields": [
            (name, lead[name], winner[name], winner[name] or lead[name])
            for name in SHOWN_FIELDS
            if lead[name] or winner[name]
        ],
        "stopped": [run["definition_name"] for run in runs["runs"] if run["status"] in LIVE],
        "consents": stricter_consents([*found["consents"], *other["consents"]]),
    }  # fmt: skip


async def merge_lead(page: Page, form: Form) -> Done:
    body = {"intoLeadId": str(_chosen(page)), "reason": form.get("reason") or None}
    found = await page.api.write(
        "POST", f"/api/leads/{page.id('lead_id')}/merge", body, command_id=command_id(form)
    )
    path = f"/console/leads/{found['lead']['id']}"
    return Done(path, "The two leads are one now. You can undo this below “Merged into this lead”.")


async def prepare_unmerge(page: Page) -> dict[str, Any]:
    """Return the lead that becomes separate again, and the one into which it was merged."""
    found = await find_lead(page)
    loser_id = str(page.id("lead_id"))
    for loser in found["mergedLeads"]:
        if loser["id"] == loser_id:
            return {
                "lead": found["lead"], "name": name_lead(found["lead"]), "loser": loser,
                "loser_name": name_lead(loser),
            }  # fmt: skip
    raise Problem(409, "not_merged", "this lead is not merged into another one: nothing to undo")


async def unmerge_lead(page: Page, form: Form) -> Done:
    loser_id = page.id("lead_id")
    body = {"reason": form.get("reason") or None}
    await page.api.write(
        "POST", f"/api/leads/{loser_id}/unmerge", body, command_id=command_id(form)
    )
    return Done(f"/console/leads/{loser_id}", "The merge is undone: this is a lead of its own.")


async def _find_candidates(page: Page, found: Any) -> dict[str, Any]:
    """Return leads that a search finds; without one, those with the same contact, or last name.

    A search reads the texts of all leads of the property; the same contact is in an index.
    """
    lead, search = found["lead"], page.query.get("search", "")
    if not search:
        if matches := await find_contact_matches(page, lead["id"]):
            return {"search": "", "candidates": matches}
        search = lead["last_name"] or ""
    if not search:
        return {"search": "", "candidates": []}
    listed = await page.api.get(
        "/api/leads", propertyId=lead["property_id"], search=search, limit=MAX_CANDIDATES
    )
    others = [row for row in listed["leads"] if row["id"] not in found["members"]]
    return {"search": search, "candidates": others}


def _chosen(page: Page) -> UUID:
    """Return the lead of the query. Raise 404 if it is no id."""
    try:
        return UUID(page.query.get("into", ""))
    except ValueError:
        raise not_found("lead") from None


ROUTES = (
    form_route("/leads/{lead_id}/merge", "lead_merge.html", prepare_merge, merge_lead),
    form_route("/leads/{lead_id}/unmerge", "lead_unmerge.html", prepare_unmerge, unmerge_lead),
)
