"""Saved views of the list of leads: names for filters that a person uses often.

They are in a cookie of the property's list: they belong to a person and a browser, and no other
person needs them.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson
from starlette.requests import Request

from services.api.problems import Problem

COOKIE = "crm_console_views"
MAX_VIEWS, MAX_CHARACTERS = 20, 60
MAX_BYTES = 3_500
"""The size of the cookie; browsers keep 4,096 bytes with its name and attributes."""


@dataclass(frozen=True, slots=True)
class SavedView:
    """A name, and the parameters of the list's address."""

    name: str
    query: Mapping[str, str]

    @property
    def address(self) -> str:
        """The parameters as the end of an address."""
        return f"?{urlencode(self.query)}" if self.query else ""


def read_views(request: Request) -> list[SavedView]:
    """Return the views of the cookie in order; none from a malformed one."""
    try:
        found = orjson.loads(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        return [
            SavedView(str(name), {str(key): str(text) for key, text in query.items()})
            for name, query in found
        ][:MAX_VIEWS]
    except (ValueError, TypeError, AttributeError):
        return []


def add_view(views: Sequence[SavedView], name: str, query: Mapping[str, str]) -> list[SavedView]:
    """Return the views with a new one, which replaces one with the same name. Raise 400."""
    if not 1 <= len(name) <= MAX_CHARACTERS:
        raise Problem(400, "invalid", f"the name is no text of 1 to {MAX_CHARACTERS} characters")
    changed = [*(view for view in views if view.name != name), SavedView(name, query)]
    if len(changed) > MAX_VIEWS or len(encode_views(changed)) > MAX_BYTES:
        raise Problem(
            400, "too_many_views", f"there are {len(views)} views already: remove one of them first"
        )
    return changed


def encode_views(views: Sequence[SavedView]) -> str:
    """Return the value of the cookie."""
    content = orjson.dumps([[view.name, dict(view.query)] for view in views])
    return base64.urlsafe_b64encode(content).decode()
