"""The properties and the pages between which a person chooses at the top of each page."""

from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from services.api.console.viewers import Viewer


@dataclass(frozen=True, slots=True)
class PropertyChoice:
    """A property of the organisation, with the zone in which its pages show times."""

    id: UUID
    name: str
    zone: ZoneInfo

    def path(self, page: str) -> str:
        """Return the path of a page of the property, such as `today`."""
        return f"/console/properties/{self.id}/{page}"


@dataclass(frozen=True, slots=True)
class MenuLink:
    """A page of the menu. `key` is the letter that opens it after `g`."""

    name: str
    path: str
    key: str
    is_first_of_group: bool = False


AGENT_PAGES = (
    ("Today", "today", "t"),
    ("Leads", "leads", "l"),
    ("Inbox", "inbox", "i"),
    ("Tours", "tours", "u"),
    ("Workflows", "workflows", "f"),
    ("Insights", "insights", "n"),
)
"""Name, path and key of the pages of a property."""
WRITER_PAGES = (("Widget", "widget", "w"),)
"""Those that only managers and admins may open."""
OPERATOR_PAGES = (
    ("Pipeline", "pipeline", "p"),
    ("Events", "events", "e"),
    ("Projections", "projections", "r"),
    ("Refused", "refused", "x"),
)
"""Name, path below /console and key of the pages of the whole installation."""
ADMIN_PAGES = (("Events", "events", "e"),)
"""Those of them that an admin of an organisation may open, for the organisation only."""


_PAGES_OF_DETAILS = {"conversations": "inbox", "runs": "workflows"}


def find_page_name(path: str) -> str:
    """Return the page of a property to which a path belongs, such as `tours`; else `today`."""
    names = [name for _, name, _ in AGENT_PAGES + WRITER_PAGES]
    parts = [_PAGES_OF_DETAILS.get(part, part) for part in path.split("/")]
    return next((part for part in parts if part in names), "today")


def menu_links(choice: PropertyChoice | None, viewer: Viewer) -> list[MenuLink]:
    """Return the pages that a person may open."""
    links = []
    if choice is not None and viewer.user is not None:
        shown = AGENT_PAGES + (WRITER_PAGES if viewer.can_write else ())
        links += [MenuLink(name, choice.path(page), key) for name, page, key in shown]
    pages: tuple[tuple[str, str, str], ...] = ()
    if viewer.is_operator:
        pages = OPERATOR_PAGES
    elif viewer.is_admin:
        pages = ADMIN_PAGES
    links += [
        MenuLink(name, f"/console/{page}", key, page == pages[0][1]) for name, page, key in pages
    ]
    return links
