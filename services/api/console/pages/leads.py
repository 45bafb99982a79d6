"""The list of a property's leads, the same as a file, and the form that creates a lead."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from starlette.responses import Response

from events.leads import LeadStatus
from projections.lead_orders import SortBy
from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.lead_answers import name_lead
from services.api.console.page import HEADERS, Page
from services.api.console.saved_views import read_views
from services.api.console.times import parse_instant
from services.api.console.words import words_of

PAGE_SIZES = (25, 50, 100, 200)
FILTERS = ("status", "source", "search", "sortBy", "sortOrder", "page", "limit", "assignedAgentId")
COLUMNS = (
    ("first_name", "Name"), ("score", "Score"), ("status", "Status"), ("source", "Source"),
    ("created_at", "Came"),
)  # fmt: skip
"""Order of the API → head of the column."""
EXPORTED = (
    "Name", "E-mail", "Phone", "Status", "Source", "Score", "Bucket", "Came",
    "Last contact by us", "Next tour", "Id",
)  # fmt: skip
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Beginnings of a cell that a spreadsheet may carry out as a formula."""
NEW_FIELDS = (
    "firstName", "lastName", "email", "phone", "source", "moveInDate", "bedrooms", "notes",
)  # fmt: skip


async def list_leads(page: Page) -> Response:
    """Show a page of the list, as the API orders and filters it."""
    found = await _read_list(page)
    # A part that is read after a change is shared by several people: it has nobody's own views.
    views = [] if page.is_fragment else read_views(page.request)
    return page.render(
        "leads.html", leads=found["leads"], pagination=found["pagination"],
        sources=found["filters"]["sources"], statuses=[status.value for status in LeadStatus],
        counts=found["statusSummary"], columns=[_column(page, *column) for column in COLUMNS],
        sizes=PAGE_SIZES, filters=filters_of(page), views=views, shown=saved_query(page),
        export=str(page.request.url.replace(scheme="", netloc="", path=page.path + ".csv")),
    )  # fmt: skip


async def export_leads(page: Page) -> Response:
    """Return the rows that the list shows, as a file for spreadsheets."""
    found = await _read_list(page)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(EXPORTED)
    writer.writerows(map(escape_cell, _cells(lead, page)) for lead in found["leads"])
    name = f"leads-{page.now.astimezone(page.here.zone):%Y-%m-%d}.csv"
    # The mark of the encoding at the begin: without it, spreadsheets read names as Latin-1.
    return Response(
        text.getvalue().encode("utf-8-sig"), media_type="text/csv",
        headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
    )  # fmt: skip


def escape_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: a quote before it makes it text."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


async def prepare_new_lead(page: Page) -> dict[str, Any]:
    """Return what the form of a new lead offers."""
    return {"choice": page.here}


async def create_lead(page: Page, form: Form) -> Done:
    body = {name: form[name] for name in NEW_FIELDS if form.get(name)}
    found = await page.api.write(
        "POST", "/api/leads", {"propertyId": str(page.here.id), **body},
        command_id=command_id(form),
    )  # fmt: skip
    lead = found["lead"]
    return Done(f"/console/leads/{lead['id']}", f"{name_lead(lead)} is a lead now.")


def filters_of(page: Page) -> dict[str, str]:
    """Return the parameters of the list's address that the API knows."""
    return {name: text for name, text in page.query.items() if name in FILTERS}


def saved_query(page: Page) -> dict[str, str]:
    """Return the filters that a saved view has: all but the number of the page."""
    return {name: text for name, text in filters_of(page).items() if name != "page"}


async def _read_list(page: Page) -> Any:
    return await page.api.get(
        "/api/leads", propertyId=page.here.id, withNextTour=True, **filters_of(page)
    )


def _cells(lead: Mapping[str, Any], page: Page) -> Iterator[str]:
    """Yield the cells of a lead in the order of `EXPORTED`; times are those of the property."""
    yield " ".join(filter(None, (lead["first_name"], lead["last_name"])))
    yield lead["email"] or ""
    yield lead["phone"] or ""
    yield words_of(lead["status"])
    yield lead["source"] or ""
    yield "" if lead["score"] is None else str(lead["score"])
    yield lead["score_bucket"] or ""
    for name in ("created_at", "last_contacted_at", "next_tour_at"):
        at = lead[name] and parse_instant(lead[name]).astimezone(page.here.zone)
        yield f"{at:%Y-%m-%d %H:%M}" if at else ""
    yield lead["id"]


def _column(page: Page, order: str, head: str) -> dict[str, Any]:
    """Return the head of a column, with the address that sorts by it or turns the order round."""
    assert order in get_args(SortBy)  # noqa: S101 — the columns above
    is_sorted = page.query.get("sortBy", "created_at") == order
    is_descending = page.query.get("sortOrder", "desc") == "desc"
    order_after = "asc" if is_sorted and is_descending else "desc"
    direction = "descending" if is_descending else "ascending"
    return {
        "head": head, "sorted": direction if is_sorted else None,
        "address": page.address(sortBy=order, sortOrder=order_after, page=None),
    }  # fmt: skip


ROUTES = (
    page_route("/properties/{property_id}/leads", list_leads, is_personal=False),
    page_route("/properties/{property_id}/leads.csv", export_leads),
    form_route(
        "/properties/{property_id}/leads/new", "lead_new.html", prepare_new_lead, create_lead
    ),
)
