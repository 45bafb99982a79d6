"""The page of a property's widget: how to embed it, whether it works, and a new key."""

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from services.api.console.api_calls import ApiRefused
from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.problems import Problem
from services.api.widget_page.routes import DEMO_PATH, SCRIPT_PATH

ADMIN = "/api/lumaleasing/admin"
OVERLAP_HOURS = ("0", "1", "24", "168")
"""Choices for how long the old key stays valid: pages of web sites are cached."""


async def show_widget(page: Page) -> Response:
    """Show how to embed the widget, with its settings for an admin."""
    _require_writer(page)
    config: dict[str, Any] | None = None
    is_missing = False
    if page.viewer.is_admin:
        try:
            found = await page.api.get(f"{ADMIN}/config", propertyId=page.here.id)
            config = found["config"]
        except ApiRefused as error:
            if error.status != 404:
                raise
            is_missing = True
    return page.render(
        "widget.html", config=config, is_missing=is_missing, demo=DEMO_PATH,
        address=_address(page), script=f"{_address(page)}{SCRIPT_PATH}",
    )  # fmt: skip


async def prepare_key(page: Page) -> dict[str, Any]:
    """Return the choices for how long the key before stays valid."""
    _require_admin(page)
    return {"hours": OVERLAP_HOURS}


async def issue_key(page: Page, form: Form) -> Done:
    """Issue a new key and show it once."""
    _require_admin(page)
    hours = form.get("hours", "")
    body = {
        "propertyId": str(page.here.id), "overlapHours": int(hours) if hours in OVERLAP_HOURS else 0
    }  # fmt: skip
    found = await page.api.write(
        "POST", f"{ADMIN}/regenerate-key", body, command_id=command_id(form)
    )
    notice = f"The new widget key is {found['apiKey']} – copy it now, it is shown only once."
    return Done(page.here.path("widget"), notice)


def _require_writer(page: Page) -> None:
    if not page.viewer.can_write:
        raise Problem(403, "forbidden", "the widget is for managers and admins: ask one of them")


def _require_admin(page: Page) -> None:
    if not page.viewer.is_admin:
        raise Problem(403, "forbidden", "only an admin may issue a widget key: ask one of them")


def _address(page: Page) -> str:
    """Return the address of this host, as the browser sees it."""
    parts = urlsplit(str(page.request.base_url))
    return f"{parts.scheme}://{parts.netloc}"


ROUTES = (
    page_route("/properties/{property_id}/widget", show_widget),
    form_route("/properties/{property_id}/widget/key", "widget_key.html", prepare_key, issue_key),
)
