"""The API documentation at /docs: complete, and without any other host."""

import re
from html.parser import HTMLParser

import httpx2
from fastapi.routing import APIRoute

from services.api.docs_page.routes import MEDIA_TYPES
from services.api.routes.catalog import ROUTERS
from tests.services.api.site import Site

SCRIPT_TYPES = {"text/javascript"}
TYPES_BY_TAG = {"script": SCRIPT_TYPES, "link": {"text/css", "image/png"}}


class References(HTMLParser):
    """The files that a page loads, as (tag, address), and the text inside its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.files: list[tuple[str, str]] = []
        self.handlers: list[str] = []
        self.inline_code = ""
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        for name, value in attrs:
            if name in ("src", "href") and tag != "a" and value is not None:
                self.files.append((tag, value))
            if name.startswith("on") or name == "style":
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        if self._tag in ("script", "style"):
            self.inline_code += data.strip()

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""


def policy_of(response: httpx2.Response) -> dict[str, str]:
    directives = response.headers["content-security-policy"].split(";")
    return {
        name: sources for name, _, sources in (item.strip().partition(" ") for item in directives)
    }


async def test_the_page_loads_only_existing_files_of_the_same_origin(site: Site) -> None:
    page = await site.client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    references = References(page.text)
    assert {tag for tag, _ in references.files} == {"script", "link"}
    for tag, address in references.files:
        assert address.startswith("/docs/")
        file = await site.client.get(address)
        assert file.status_code == 200, address
        assert file.headers["content-type"].partition(";")[0] in TYPES_BY_TAG[tag], address
        assert file.headers["x-content-type-options"] == "nosniff"
        assert file.content


async def test_the_policy_of_the_page_forbids_inline_code_and_other_hosts(site: Site) -> None:
    page = await site.client.get("/docs")
    policy = policy_of(page)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    references = References(page.text)
    assert references.inline_code == ""
    assert references.handlers == []


async def test_the_page_shows_the_document_of_this_api_and_asks_no_validator(site: Site) -> None:
    script = (await site.client.get("/docs/init.js")).text
    (address,) = re.findall(r'url: "([^"]+)"', script)
    assert address == "/api/openapi.json"
    assert "validatorUrl: null" in script
    document = await site.client.get(address)
    assert document.status_code == 200
    assert document.headers["content-type"] == "application/json"
    assert document.json()["openapi"].startswith("3.1")


async def test_the_style_sheet_loads_no_further_file(site: Site) -> None:
    style = (await site.client.get("/docs/swagger-ui.css")).text
    addresses = re.findall(r"url\(\s*['\"]?([^'\")]+)", style)
    assert [address for address in addresses if not address.startswith("data:")] == []
    assert "@import" not in style


async def test_only_listed_files_are_served(site: Site) -> None:
    for name in MEDIA_TYPES:
        assert (await site.client.get(f"/docs/{name}")).status_code == 200, name
    for name in ("routes.py", "__init__.py", "../app.py", "index.html", ""):
        assert (await site.client.get(f"/docs/{name}")).status_code == 404, name


async def test_operation_ids_are_the_names_of_the_route_functions_and_unique(site: Site) -> None:
    document = (await site.client.get("/api/openapi.json")).json()
    operation_ids = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    names = [
        route.endpoint.__name__
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    assert sorted(operation_ids) == sorted(names)
    assert len(set(operation_ids)) == len(operation_ids)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in operation_ids)
