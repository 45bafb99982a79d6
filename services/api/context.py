"""What the routes work with, opened once for the process."""

import hashlib
import secrets
from dataclasses import dataclass

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from services.adapters.responder import Responder
from services.api.auth.bearer import Bearers
from services.api.rate_limit.networks import Sources
from services.api.session_listeners import Listening
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

log = get_logger("http")


@dataclass(frozen=True, slots=True)
class Core:
    """The pools, the responder, the streams. Writes go through `pool`, queries through `engine`.

    `bearers` knows whose a token is, `sources` where a request came from; `signing_key` signs what
    is handed out.
    """

    settings: Settings
    pool: asyncpg.Pool
    engine: AsyncEngine
    responder: Responder
    listening: Listening
    bearers: Bearers
    sources: Sources
    signing_key: bytes


def core_of(request: Request) -> Core:
    found: Core = request.app.state.core
    return found


def open_core(
    settings: Settings,
    pool: asyncpg.Pool,
    engine: AsyncEngine,
    responder: Responder,
    listening: Listening,
) -> Core:
    """A core on open pools."""
    return Core(
        settings, pool, engine, responder, listening, Bearers(settings),
        Sources(settings.proxies), signing_key_of(settings),
    )  # fmt: skip


def signing_key_of(settings: Settings) -> bytes:
    """The settings' own; else one made for this process, and what it signed ends with it."""
    given = settings.signing_secret or settings.jwt_secret
    if given is None:
        log.warning("signing.made_for_this_process", hint="set CRM_SIGNING_SECRET")
        return secrets.token_bytes(32)
    return hashlib.sha256(b"signing/" + given.get_secret_value().encode()).digest()
