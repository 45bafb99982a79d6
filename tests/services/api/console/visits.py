"""Visits to the console without a screen: pages as parsed HTML, forms as a browser sends them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
from lxml import html

from services.api.console.viewers import COOKIE
from tests.services.api.site import Site, make_bearer_token

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Shown:
    """A page as a browser has it."""

    response: httpx2.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def tree(self) -> Any:
        return html.fromstring(self.response.text)

    @property
    def text(self) -> str:
        """The text that a person reads, with single spaces."""
        return " ".join(self.tree.text_content().split())

    @property
    def answer(self) -> str:
        """The sentence that answers: the text of the first heading."""
        return " ".join(self.tree.xpath("//h1")[0].text_content().split())

    def links(self) -> set[str]:
        """Return the addresses of all links."""
        return {str(link) for link in self.tree.xpath("//a/@href")}

    def form(self, action: str | None = None) -> dict[str, str]:
        """Return name → value of the fields of the page's form, as they are before any input."""
        forms = [
            form
            for form in self.tree.forms
            if form.method == "POST" and (action is None or form.action.split("?")[0] == action)
        ]
        found = next(form for form in forms if form.action != "/console/sign-out")
        return {name: value or "" for name, value in found.form_values()}


@dataclass
class Visit:
    """A signed-in person. `open` and `send` follow redirects as a browser does."""

    client: httpx2.AsyncClient
    site: Site

    def at_property(self, page: str) -> str:
        return f"/console/properties/{self.site.property_id}/{page}"

    async def open(self, path: str, **headers: str) -> Shown:
        """Return the page of a path."""
        return Shown(await self.client.get(path, headers=headers, follow_redirects=True))

    async def send(self, path: str, fields: Mapping[str, str] | None = None) -> Shown:
        """Open a form, change these fields, send it, and return the page that follows.

        The tables are brought level before that page is read: a running projector does this.
        """
        opened = await self.open(path)
        assert opened.status == 200, opened.text
        return await self.post(path, {**opened.form(path.split("?")[0]), **(fields or {})})

    async def post(self, path: str, fields: Mapping[str, str]) -> Shown:
        """Send a form without opening it; return the page that follows."""
        response = await self.client.post(path, data=dict(fields), headers=SAME_ORIGIN)
        if response.status_code == 303:
            await self.site.project()
            return await self.open(response.headers["location"])
        return Shown(response)


@asynccontextmanager
async def open_visit(site: Site, profile_id: UUID | None) -> AsyncIterator[Visit]:
    """Sign a console user in; None: an operator without an organisation."""
    claims = {} if profile_id else {"app_metadata": {"crm_role": "operator"}}
    token = make_bearer_token(profile_id or uuid4(), claims=claims)
    async with httpx2.AsyncClient(
        transport=site.client._transport, base_url="http://test", cookies={COOKIE: token}
    ) as client:
        yield Visit(client, site)
