"""The objects that all routes share, opened once per process."""

from dataclasses import dataclass

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from services.adapters.responder import Responder
from services.api.auth.bearer import BearerVerifier
from services.api.rate_limit.networks import ClientNetworks
from services.api.secret_keys import SecretKeyCache
from services.api.session_listeners import SessionListeners
from services.runtime.applied_erasures import AppliedErasures
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from services.runtime.table_fit import TableFit


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Pools, responder, listeners and keys of this process.

    Writes use `pool`; queries under row level security use `engine`. `clock` is the only source of
    the current instant.
    """

    settings: Settings
    pool: asyncpg.Pool
    engine: AsyncEngine
    responder: Responder
    listeners: SessionListeners
    bearer_verifier: BearerVerifier
    networks: ClientNetworks
    keys: SecretKeyCache
    table_fit: TableFit
    applied_erasures: AppliedErasures
    clock: Clock


def context_of(request: Request) -> ApiContext:
    """Return the context of the application that serves the request."""
    context: ApiContext = request.app.state.context
    return context


def open_context(
    settings: Settings,
    pool: asyncpg.Pool,
    engine: AsyncEngine,
    responder: Responder,
    listeners: SessionListeners,
    clock: Clock,
) -> ApiContext:
    """Return a context on open pools."""
    return ApiContext(
        settings, pool, engine, responder, listeners, BearerVerifier(settings),
        ClientNetworks(settings.proxies), SecretKeyCache(pool), TableFit(pool),
        AppliedErasures(pool), clock,
    )  # fmt: skip
