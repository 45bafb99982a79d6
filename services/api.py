"""The HTTP API: widget and console routes, health, and the figures of this process."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator

import asyncpg
import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from events.log.commands import PURGE_AT_ONCE, purge
from projections import widget_keys
from services.adapters.openai_compatible import responding
from services.adapters.responder import Responder
from services.http import counters, problems
from services.http.answers import json_of
from services.http.catalog import ROUTERS
from services.http.core import Core, open_core
from services.http.document import document
from services.http.edge import Edge
from services.http.listening import Listening
from services.runtime.database import AWAY, open_engine, pooled
from services.runtime.health import Check, health_routes
from services.runtime.logging import configure_logging, get_logger
from services.runtime.process import loop_factory
from services.runtime.settings import Settings, explain

DOCUMENT = "/api/openapi.json"
PURGE_SECONDS = 600.0
STOP_SECONDS = 10

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


class Server(uvicorn.Server):
    """Lets streams end before it waits for the requests that have begun."""

    def __init__(self, settings: Settings, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app, host=settings.http_host, port=settings.http_port, log_config=None,
                access_log=False, lifespan="on", timeout_graceful_shutdown=STOP_SECONDS,
                h11_max_incomplete_event_size=64 * 1024,
                proxy_headers=False,  # whose X-Forwarded-For counts is a setting of ours
            )
        )  # fmt: skip
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        core: Core = self._app.state.core
        core.listening.end()
        await super().shutdown(sockets)


def main() -> None:
    """Serve until SIGTERM or SIGINT; requests that have begun are finished first."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise SystemExit(f"api: {explain(error)}") from None
    configure_logging("api", form=settings.log_format, level=settings.log_level)
    structlog.contextvars.bind_contextvars(process="api")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(Server(settings, create_app(settings)).serve())


if __name__ == "__main__":
    main()
