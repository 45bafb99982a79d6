"""The API application: all routes, the documentation, health, and this process's metrics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
from fastapi import FastAPI

from projections import widget_keys
from services.adapters.model_responder import open_responder
from services.adapters.responder import Responder
from services.api import problems
from services.api.context import ApiContext, open_context
from services.api.docs_page.routes import documentation_routes
from services.api.expired_rows import purge_expired_rows
from services.api.middleware import EdgeMiddleware
from services.api.routes.catalog import ROUTERS
from services.api.session_listeners import SessionListeners
from services.runtime.clock import Clock
from services.runtime.database import open_engine, pooled
from services.runtime.health import Check, health_routes
from services.runtime.schema_readiness import schema_check
from services.runtime.settings import Settings


def create_app(
    settings: Settings, responder: Responder | None = None, clock: Clock | None = None
) -> FastAPI:
    """Return the application. Its database pools are open while its lifespan runs.

    `responder` replaces the one that the settings name; `clock` replaces the system clock.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = open_engine(settings, "crm api")
        listeners = SessionListeners(engine, settings.streams_per_process)
        async with pooled(settings, "crm api") as pool, open_responder(settings) as configured:
            app.state.context = open_context(
                settings, pool, engine, responder or configured, listeners, clock or Clock()
            )
            checks["database"] = _database_check(pool)
            checks["schema"] = schema_check(pool)
            tasks = [
                asyncio.create_task(purge_expired_rows(pool)),
                asyncio.create_task(listeners.run()),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await engine.dispose()

    checks: dict[str, Check] = {}
    # FastAPI's own documentation pages load their files from another host: they stay off.
    app = FastAPI(
        title="Leasing CRM", version="1", lifespan=lifespan, redirect_slashes=False,
        openapi_url=None, docs_url=None, redoc_url=None,
    )  # fmt: skip
    for router in ROUTERS:
        app.include_router(router)
    app.router.routes.extend(documentation_routes())
    app.router.routes.extend(health_routes(checks))
    problems.install_handlers(app)

    async def is_origin_allowed(origin: str) -> bool:
        if origin == "null" or not origin.isprintable():
            return False
        context: ApiContext = app.state.context
        async with context.engine.begin() as conn:
            return await conn.scalar(widget_keys.allowing(origin)) is not None

    app.add_middleware(EdgeMiddleware, is_origin_allowed=is_origin_allowed)
    return app


def _database_check(pool: asyncpg.Pool) -> Check:
    async def check() -> str | None:
        await pool.fetchval("SELECT 1")
        return None

    return check
