"""The list of a property's leads."""

from typing import Any, get_args

from starlette.responses import Response

from events.leads import LeadStatus
from projections.lead_orders import SortBy
from services.api.console.endpoints import page_route
from services.api.console.page import Page

PAGE_SIZES = (25, 50, 100, 200)
FILTERS = ("status", "source", "search", "sortBy", "sortOrder", "page", "limit", "assignedAgentId")
COLUMNS = (
    ("first_name", "Name"), ("score", "Score"), ("status", "Status"), ("source", "Source"),
    ("created_at", "First contact"),
)  # fmt: skip
"""Order of the API → head of the column."""


async def list_leads(page: Page) -> Response:
    """Show a page of the list, as the API orders and filters it."""
    filters = {name: text for name, text in page.query.items() if name in FILTERS}
    found = await page.api.get("/api/leads", propertyId=page.here.id, **filters)
    return page.render(
        "leads.html", leads=found["leads"], pagination=found["pagination"],
        sources=found["filters"]["sources"], statuses=[status.value for status in LeadStatus],
        counts=found["statusSummary"], columns=[_column(page, *column) for column in COLUMNS],
        sizes=PAGE_SIZES, filters=filters,
    )  # fmt: skip


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


ROUTES = (page_route("/properties/{property_id}/leads", list_leads, is_personal=False),)
