"""The form that saves the filters of the list of leads under a name, and removes saved ones."""

from typing import Any

from services.api.console.endpoints import form_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.pages.leads import saved_query
from services.api.console.saved_views import COOKIE, add_view, encode_views, read_views
from services.api.problems import not_found

REMOVED = "remove_"


async def prepare_views(page: Page) -> dict[str, Any]:
    """Return the filters to save, and the saved views."""
    if page.viewer.user is None:
        raise not_found("property")
    return {
        "path": page.here.path("leads"),
        "query": saved_query(page),
        "views": read_views(page.request),
    }


async def save_views(page: Page, form: Form) -> Done:
    """Save the filters of the address under a name, and remove the views that are marked."""
    views = [
        view
        for number, view in enumerate(read_views(page.request))
        if f"{REMOVED}{number}" not in form
    ]
    name, query = form.get("name", ""), saved_query(page)
    if name:
        views = add_view(views, name, query)
    path = page.here.path("leads")
    page.cookies[COOKIE] = (encode_views(views), path)
    address = next((view.address for view in views if view.name == name), "")
    return Done(
        path + address, f"The view “{name}” is saved." if name else "The views are changed."
    )


ROUTES = (
    form_route(
        "/properties/{property_id}/leads/views", "lead_views.html", prepare_views, save_views,
        for_readers=True,
    ),
)  # fmt: skip
