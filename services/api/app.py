"""The HTTP API: widget and console routes, health, and the figures of this process."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

import asyncpg
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from events.log.commands import PURGE_AT_ONCE, purge
from projections import widget_keys
from services.adapters.openai_compatible import responding
from services.adapters.responder import Responder
from services.api import problems
from services.api.context import Core, open_core
from services.api.middleware import Edge
from services.api.openapi import document
from services.api.rate_limit import counters
from services.api.responses import json_of
from services.api.routes.catalog import ROUTERS
from services.api.session_listeners import Listening
from services.runtime.database import AWAY, open_engine, pooled
from services.runtime.health import Check, health_routes
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

DOCUMENT = "/api/openapi.json"
PURGE_SECONDS = 600.0

log = get_logger("api")


def create_app(settings: Settings, responder: Responder | None = None) -> FastAPI:
    """The whole application; its pools live as long as its lifespan."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = open_engine(settings, "crm api")
        listening = Listening(engine, settings.streams_per_process)
        async with pooled(settings, "crm api") as pool, responding(settings) as configured:
            app.state.core = open_core(settings, pool, engine, responder or configured, listening)
            checks["database"] = _database(pool)
            tasks = [asyncio.create_task(_purge(pool)), asyncio.create_task(listening.run())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await engine.dispose()

    checks: dict[str, Check] = {}
    app = FastAPI(
        title="Leasing CRM", version="1", lifespan=lifespan, redirect_slashes=False,
        openapi_url=None, docs_url=None, redoc_url=None,
    )  # fmt: skip
    for router in ROUTERS:
        app.include_router(router)
    app.router.routes.append(Route(DOCUMENT, _document))
    app.router.routes.extend(health_routes(checks))
    problems.install(app)

    async def is_allowed(origin: str) -> bool:
        """May some active widget be shown on this origin?"""
        if origin == "null" or not origin.isprintable():
            return False
        core: Core = app.state.core
        async with core.engine.begin() as conn:
            return await conn.scalar(widget_keys.allowing(origin)) is not None

    app.add_middleware(Edge, is_allowed=is_allowed)
    return app


async def _document(_request: Request) -> Response:
    return Response(_written_document(), media_type="application/json")


@functools.cache
def _written_document() -> bytes:
    return json_of(document(ROUTERS))


def _database(pool: asyncpg.Pool) -> Check:
    async def check() -> str | None:
        await pool.fetchval("SELECT 1")
        return None

    return check


async def _purge(pool: asyncpg.Pool) -> None:
    """Forget answers and counters whose time is over, a bounded batch at a time."""
    while True:
        try:
            async with pool.acquire() as conn:
                while await purge(conn) == PURGE_AT_ONCE:
                    await asyncio.sleep(1)
                while await counters.purge(conn) == counters.PURGE_AT_ONCE:
                    await asyncio.sleep(1)
        except AWAY as error:
            log.warning("commands.purge_failed", error=str(error))
        await asyncio.sleep(PURGE_SECONDS)
