"""The objects that all routes share, opened once per process."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from events.record import Stream
from services.adapters.responder import Responder
from services.api.auth.bearer import BearerIdentity, BearerVerifier
from services.api.auth.lookups import LookupCache
from services.api.numbers_memory import NumbersMemory
from services.api.rate_limit.networks import ClientNetworks
from services.api.reading import ACQUIRE_SECONDS, Query, QueryRunner, ResultRow
from services.api.secret_keys import SecretKeyCache
from services.api.session_listeners import SessionListeners
from services.application.stream_cache import StreamCache
from services.host import HostProperty, load_property
from services.runtime.applied_erasures import AppliedErasures
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from services.runtime.table_fit import TableFit

OWNER_SECONDS = 60.0
DOCUMENT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Pools, responder, listeners and keys of this process.

    `engine` is only for exports, which read rows while they are sent. `clock` is the only source of
    the current instant. `identities`, `profiles`, `widgets` and `properties` are remembered
    look-ups by bearer token, profile id, the hash of a widget key and property id; `owners` are the
    organisation and the property of a stream, which never moves. `streams` are those that commands
    used a short time ago, `numbers` are responses over very many rows, `oidc_documents` are the
    discovery documents of token issuers by issuer.
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
    identities: LookupCache[str, BearerIdentity]
    profiles: LookupCache[UUID, ResultRow]
    widgets: LookupCache[str, ResultRow]
    owners: LookupCache[Stream, tuple[UUID, UUID | None]]
    streams: StreamCache
    properties: LookupCache[UUID, HostProperty]
    numbers: NumbersMemory
    oidc_documents: LookupCache[str, dict[str, Any]]

    async def find(self, query: Query) -> ResultRow | None:
        """Return the first row of a query that no row level security limits."""
        async with self.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
            return await QueryRunner(conn).first(query)

    async def load_property(self, property_id: UUID) -> HostProperty:
        """Return a property as it was a short time ago. Raises `Refused` without one."""

        async def find() -> HostProperty:
            async with self.pool.acquire() as conn:
                return await load_property(conn, property_id)

        found = await self.properties.load(property_id, find)
        assert found is not None  # noqa: S101 — `find` raises instead
        return found


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
        AppliedErasures(pool), clock, LookupCache(settings.caller_seconds),
        LookupCache(settings.caller_seconds), LookupCache(settings.caller_seconds),
        LookupCache(OWNER_SECONDS), StreamCache(), LookupCache(settings.caller_seconds),
        NumbersMemory(), LookupCache(DOCUMENT_SECONDS),
    )  # fmt: skip
