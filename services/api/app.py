"""The API application: all routes, the documentation, and the checks of its readiness."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from services.adapters.model_responder import open_responder
from services.adapters.responder import Responder
from services.api import problems
from services.api.admission import RequestAdmission, UncountedResponder
from services.api.auth.access_changes import follow_access_changes
from services.api.console.api_calls import open_api_client
from services.api.console.catalog import console_routes
from services.api.console.change_feed import ChangeFeed
from services.api.console.shared_responses import SharedResponses
from services.api.console.table_age import TableAge
from services.api.context import ApiContext, open_context
from services.api.docs_page.event_routes import event_routes
from services.api.docs_page.routes import documentation_routes
from services.api.erasure_gate import ErasureGate
from services.api.expired_rows import purge_expired_rows
from services.api.middleware import EdgeMiddleware
from services.api.path_index import include_routers
from services.api.routes import consent_pages, provider_callbacks
from services.api.routes.catalog import ROUTERS
from services.api.session_listeners import SessionListeners, parse_stream_limits
from services.api.trace_middleware import TraceMiddleware
from services.api.widget_page.routes import widget_routes
from services.runtime.clock import Clock, open_clock
from services.runtime.database import open_engine, pooled
from services.runtime.health import HEALTHZ, Check
from services.runtime.reachability import DATABASE, reachability_check
from services.runtime.schema_readiness import schema_check
from services.runtime.settings import Settings
from services.runtime.tasks import end_tasks


def create_app(
    settings: Settings, responder: Responder | None = None, clock: Clock | None = None
) -> FastAPI:
    """Return the application. Its database pools are open while its lifespan runs.

    `app.state.checks` are the checks for /readyz, which is served on the health port only.

    `responder` replaces the one that the settings name; `clock` replaces that of the settings.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = open_engine(settings, "crm api")
        async with (
            pooled(settings, "crm api") as pool,
            open_responder(settings) as configured,
            open_api_client(app) as app.state.api_client,
        ):
            listeners = SessionListeners(pool, parse_stream_limits(settings))
            app.state.context = open_context(
                settings, pool, engine, UncountedResponder(responder or configured), listeners,
                clock or open_clock(settings.clock_delay_file),
            )  # fmt: skip
            app.state.table_age = TableAge(pool)
            app.state.change_feed = change_feed = ChangeFeed(
                pool, settings.streams_per_process, app.state.table_age
            )
            checks["database"] = reachability_check(settings, DATABASE)
            checks["schema"] = schema_check(pool)
            context: ApiContext = app.state.context
            checks["erasures"] = context.applied_erasures.describe_delay
            tasks = [
                asyncio.create_task(
                    follow_access_changes(settings, context.profiles, context.widgets)
                ),
                asyncio.create_task(purge_expired_rows(pool)),
                asyncio.create_task(listeners.run()),
                asyncio.create_task(change_feed.run()),
            ]
            try:
                yield
            finally:
                await end_tasks(tasks)
                await engine.dispose()

    checks: dict[str, Check] = {}
    # FastAPI's own documentation pages load their files from another host: they stay off.
    app = FastAPI(
        title="Leasing CRM", version="1", lifespan=lifespan, redirect_slashes=False,
        openapi_url=None, docs_url=None, redoc_url=None,
    )  # fmt: skip
    include_routers(app, ROUTERS)
    app.router.routes.extend((*provider_callbacks.ROUTES, *consent_pages.ROUTES))
    app.router.routes.extend((*documentation_routes(), *event_routes(), *widget_routes()))
    app.router.routes.extend((*console_routes(), HEALTHZ))
    app.state.checks, app.state.admission = checks, RequestAdmission()
    app.state.shared_responses = SharedResponses()
    problems.install_handlers(app)

    app.add_middleware(ErasureGate)
    app.add_middleware(EdgeMiddleware, admission=app.state.admission)
    app.add_middleware(TraceMiddleware)  # the outermost one
    return app
