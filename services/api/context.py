"""The objects that all routes share, opened once per process."""

import hashlib
import secrets
from dataclasses import dataclass

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from services.adapters.responder import Responder
from services.api.auth.bearer import BearerVerifier
from services.api.rate_limit.networks import ClientNetworks
from services.api.session_listeners import SessionListeners
from services.runtime.clock import Clock
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

log = get_logger("http")


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Pools, responder, listeners and keys of this process.

    Writes use `pool`; queries under row level security use `engine`. `signing_key` signs session
    tokens and widget keys. `clock` is the only source of the current instant.
    """

    settings: Settings
    pool: asyncpg.Pool
    engine: AsyncEngine
    responder: Responder
    listeners: SessionListeners
    bearer_verifier: BearerVerifier
    networks: ClientNetworks
    signing_key: bytes
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
        ClientNetworks(settings.proxies), load_signing_key(settings), clock,
    )  # fmt: skip


def load_signing_key(settings: Settings) -> bytes:
    """Return the key derived from `signing_secret` or, if it is not set, from `jwt_secret`.

    If neither is set, return a random key. Everything signed with it becomes invalid when this
    process stops.
    """
    secret = settings.signing_secret or settings.jwt_secret
    if secret is None:
        log.warning("signing.made_for_this_process", hint="set CRM_SIGNING_SECRET")
        return secrets.token_bytes(32)
    return hashlib.sha256(b"signing/" + secret.get_secret_value().encode()).digest()
