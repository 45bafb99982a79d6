"""An index of the routes by the fixed parts of their paths: not every router is asked in turn."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

_ROUTE = "crm.route"
_NOUN = 2
"""The segment after `/api/`."""
_Key: TypeAlias = tuple[int, str, str]
"""The number of segments, the noun, and the last segment."""


class PathIndex(BaseRoute):
    """The first route of the application. What it does not find is left to the routes after it."""

    def __init__(self, routes: Mapping[_Key, tuple[BaseRoute, ...]]) -> None:
        self._routes = routes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return a full match of path and method, or none."""
        if scope["type"] == "http":
            for route in self._routes.get(_key_of(scope["path"]), ()):
                match, child_scope = route.matches(scope)
                if match is Match.FULL:
                    return match, {**child_scope, _ROUTE: route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route that was found answer."""
        route: BaseRoute = scope[_ROUTE]
        await route.handle(scope, receive, send)


def include_routers(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Add the routers to the application, and an index before them."""
    routes: dict[_Key, tuple[BaseRoute, ...]] = {}
    for router in routers:
        app.include_router(router)
        included = app.router.routes[-1]
        paths = {route.path for route in router.routes if isinstance(route, Route)}
        for key in {_key_of(path) for path in paths if _is_indexed(path)}:
            routes[key] = (*routes.get(key, ()), included)
    app.router.routes.insert(0, PathIndex(routes))


def _key_of(path: str) -> _Key:
    segments = path.split("/")
    return len(segments), segments[_NOUN] if len(segments) > _NOUN else "", segments[-1]


def _is_indexed(path: str) -> bool:
    """Return whether the parts of the key are fixed. `{name:path}` takes several segments."""
    return "{" not in "".join(_key_of(path)[1:]) and ":path}" not in path
