"""The index of the routes finds what the routers, asked in turn, would find."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Match, Route

from services.api.path_index import PathIndex, include_routers
from services.api.routes.catalog import ROUTERS

ROUTES = [
    (method, re.sub(r"\{[^}]*\}", "0198c0de-0000-7000-8000-000000000001", route.path))
    for router in ROUTERS for route in router.routes if isinstance(route, Route)
    for method in sorted(route.methods or ())
]  # fmt: skip
UNKNOWN = [
    ("POST", "/api/leads/0198c0de/timeline"), ("GET", "/api/leads/0198c0de/elsewhere"),
    ("GET", "/elsewhere/leads"), ("GET", "/api/leads/"), ("GET", "/"), ("GET", ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    include_routers(app, ROUTERS)
    return app


def scope_of(method: str, path: str) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}


@pytest.mark.parametrize(("method", "path"), [*ROUTES, *UNKNOWN])
def test_the_index_finds_the_first_router_that_matches(
    app: FastAPI, method: str, path: str
) -> None:
    index, *others = app.router.routes
    assert isinstance(index, PathIndex)
    expected = [
        route for route in others if route.matches(scope_of(method, path))[0] is Match.FULL
    ][:1]
    match, child_scope = index.matches(scope_of(method, path))
    found: list[BaseRoute] = [child_scope["crm.route"]] if match is Match.FULL else []
    assert found in ([], expected)


def test_most_routes_are_in_the_index(app: FastAPI) -> None:
    index = app.router.routes[0]
    found = [index.matches(scope_of(*route))[0] is Match.FULL for route in ROUTES]
    assert sum(found) > 0.85 * len(found)


def test_an_unknown_path_is_left_to_the_routers(app: FastAPI) -> None:
    index = app.router.routes[0]
    assert all(index.matches(scope_of(*route))[0] is Match.NONE for route in UNKNOWN)
