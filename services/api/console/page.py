"""One request for a page: who looks, at which property, what the API says, and the answer."""

import re
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.api.console.api_calls import ApiCalls
from services.api.console.cookies import set_cookie
from services.api.console.forms import RESULT_COOKIE, Done, ShownResult, set_result
from services.api.console.menu import MenuLink, PropertyChoice, find_page_name, menu_links
from services.api.console.templating import render_template
from services.api.console.viewers import Viewer
from services.api.context import ApiContext, context_of
from services.api.problems import Problem, not_found
from services.runtime.settings import Settings

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "HX-Request",
}
PROPERTY_COOKIE = "crm_console_property"
COOKIE_SECONDS = 31_536_000
_LEAD_PATH = re.compile("/console/leads/[0-9a-f-]+")


@dataclass
class Page:
    """One request. `current` is the property of the path, or the last one that the person chose."""

    request: Request
    viewer: Viewer
    api: ApiCalls
    properties: list[PropertyChoice]
    current: PropertyChoice | None
    result: ShownResult | None = None
    is_write_shown: bool = True
    """False if the tables do not contain the person's last write."""
    table_age: timedelta | None = None
    """The age of the data, if it is old."""
    cookies: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name → value and path of the cookies that a form sets, for a year."""

    @property
    def context(self) -> ApiContext:
        return context_of(self.request)

    @property
    def settings(self) -> Settings:
        return self.context.settings

    @property
    def now(self) -> datetime:
        return self.context.clock.now()

    @property
    def path(self) -> str:
        return self.request.url.path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the address that are not empty."""
        return {name: text for name, text in self.request.query_params.items() if text}

    @property
    def is_fragment(self) -> bool:
        """True if a script of the page asks for a part of it."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def links(self) -> list[MenuLink]:
        """The pages of the menu that the person may open."""
        return menu_links(self.current, self.viewer)

    @property
    def write_age(self) -> timedelta:
        """The time since the person's last write, if it has a result."""
        seconds = time.time() - self.result.written_at if self.result is not None else 0.0
        return timedelta(seconds=max(1.0, seconds))

    @property
    def page_name(self) -> str:
        """The page of the menu to which this one belongs, for a change of the property."""
        return find_page_name(self.path)

    @property
    def can_write(self) -> bool:
        """True if the person may change leads, tours and conversations here."""
        return self.viewer.can_write and self.settings.console_actions

    @property
    def can_operate(self) -> bool:
        """True if the person may act on the whole installation here."""
        return self.viewer.is_operator and self.settings.console_actions

    def add_event_link(self, done: Done) -> Done:
        """Return the result of a form with a link to the first event that the form has made.

        People who may not read the log get the lead's timeline, if the form leads to a lead.
        """
        if done.link is not None or not self.api.event_ids:
            return done
        if self.viewer.is_operator or self.viewer.is_admin:
            link = f"/console/events/{self.api.event_ids[0]}"
            return replace(done, link=link, link_name="Event")
        if _LEAD_PATH.fullmatch(done.path):
            return replace(done, link=f"{done.path}#timeline-title", link_name="Timeline")
        return done

    @property
    def here(self) -> PropertyChoice:
        """The property of the page. Raise 404 without one."""
        if self.current is None:
            raise not_found("property")
        return self.current

    def id(self, name: str) -> UUID:
        """Return an id of the path. Raise 404 if it is none."""
        try:
            return UUID(self.request.path_params[name])
        except ValueError:
            raise not_found(name.removesuffix("_id")) from None

    def at_property(self, property_id: str | UUID) -> None:
        """Make this the page of a property, because what it shows belongs to it. Raise 404."""
        for choice in self.properties:
            if choice.id == UUID(str(property_id)):
                self.current = choice
                return
        raise not_found("property")

    def address(self, **changes: object) -> str:
        """Return the address of this page with other parameters; None removes one."""
        url = URL(self.path).include_query_params(**self.query)
        removed = [name for name, value in changes.items() if value is None]
        kept = {name: value for name, value in changes.items() if value is not None}
        return str(url.include_query_params(**kept).remove_query_params(removed))

    def render(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page made of a template."""
        text = render_template(template, page=self, viewer=self.viewer, **values)
        response = HTMLResponse(text, status, headers=HEADERS)
        if self.result is not None and not self.is_fragment:
            if self.is_write_shown:
                response.delete_cookie(RESULT_COOKIE, path="/console")
            else:
                set_result(self.request, response, replace(self.result, notice=""))
        if self.current is not None:
            value = str(self.current.id)
            set_cookie(self.request, response, PROPERTY_COOKIE, value, max_age=COOKIE_SECONDS)
        return response


def require_operator(page: Page) -> None:
    """Raise 403 for a person who is no operator."""
    if not page.viewer.is_operator:
        raise Problem(
            403, "forbidden", "this page is for operators of the installation: ask one of them"
        )
