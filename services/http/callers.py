"""Who calls: a visitor by a property's widget key, or a person of an organisation by a JWT."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import jwt
import orjson
from fastapi import Depends, Header, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request

from events.record import Cause, Stream
from projections import host, widget_keys
from services.handling.house import home_of
from services.handling.unit import Scope
from services.http.core import Core, core_of
from services.http.edge import allow_origin
from services.http.problems import Problem
from services.http.shapes import example

AUDIENCE = "authenticated"
MAY_WRITE = frozenset({"manager", "admin"})
LONGEST_VISITOR_ID = 200
LEEWAY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody on a property's site; the key says which, the id is the client's own."""

    org_id: UUID
    property_id: UUID
    visitor_id: str | None

    @property
    def principal(self) -> str:
        return f"widget/{self.property_id}/{self.visitor_id or ''}"

    @property
    def cause(self) -> Cause:
        return Cause(f"visitor:{self.visitor_id}" if self.visitor_id else "visitor")

    @property
    def scope(self) -> Scope:
        """Where and why this visitor changes something now."""
        return Scope(self.org_id, self.property_id, datetime.now(UTC), self.cause)

    @asynccontextmanager
    async def transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """Where this caller's queries run."""
        claims = {
            "role": "anon", "org_id": str(self.org_id), "property_id": str(self.property_id),
            "visitor_id": self.visitor_id,
        }  # fmt: skip
        async with engine.begin() as conn:
            await become(conn, claims)
            yield conn


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works for an organisation."""

    id: UUID
    org_id: UUID
    role: str

    @property
    def principal(self) -> str:
        return f"user/{self.id}"

    @property
    def cause(self) -> Cause:
        return Cause(f"user:{self.id}")

    def scope(self, property_id: UUID) -> Scope:
        """Where and why this person changes something now."""
        return Scope(self.org_id, property_id, datetime.now(UTC), self.cause)

    @asynccontextmanager
    async def transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """Where this caller's queries run."""
        async with engine.begin() as conn:
            await become(conn, {"role": "authenticated", "sub": str(self.id)})
            yield conn

    async def property_of_lead(self, core: Core, lead_id: UUID) -> UUID:
        """The property of a lead of this organisation, by the log. Raises 404."""
        async with core.pool.acquire() as conn:
            home = await home_of(conn, Stream("lead", lead_id))  # type: ignore[arg-type]
        if home is None or home[0] != self.org_id or home[1] is None:
            raise no_such("lead")
        return home[1]

    async def demand_property(self, core: Core, property_id: UUID) -> None:
        """Raises 404 for a property that is not of this organisation."""
        async with self.transaction(core.engine) as conn:
            found = await conn.scalar(host.org_of_property(property_id))
        if found != self.org_id:
            raise no_such("property")


async def become(conn: AsyncConnection, claims: Mapping[str, str | None]) -> None:
    """For this transaction be the database role `claims` name: row level security decides then."""
    said = orjson.dumps(claims).decode()
    await conn.execute(_BECOME, {"role": claims["role"], "claims": said})


_BECOME = text(
    "SELECT set_config('role', :role, true), set_config('request.jwt.claims', :claims, true)"
)


def no_such(kind: str) -> Problem:
    """The same for what is not there and for what is another's."""
    return Problem(404, "not_found", f"{kind} not found")


_Bearer: TypeAlias = HTTPAuthorizationCredentials | None
_KEY = APIKeyHeader(
    name="X-API-Key", scheme_name="widgetKey", auto_error=False,
    description="The key of a property's widget.",
)  # fmt: skip
_KEY_AS_BEARER = HTTPBearer(
    scheme_name="widgetKeyAsBearer", auto_error=False,
    description="The same key, for clients that cannot set X-API-Key.",
)  # fmt: skip
_JWT = HTTPBearer(
    scheme_name="person", bearerFormat="JWT", auto_error=False,
    description="A person of an organisation, by the token its identity provider issued.",
)  # fmt: skip


async def visitor(
    request: Request,
    api_key: Annotated[str | None, Security(_KEY)],
    bearer: Annotated[_Bearer, Security(_KEY_AS_BEARER)],
    visitor_id: Annotated[
        str,
        Header(
            alias="X-Visitor-ID", description="The client's own id of this visitor.",
            json_schema_extra={"maxLength": LONGEST_VISITOR_ID, "examples": [example.VISITOR]},
        ),
    ] = "",
) -> Visitor:  # fmt: skip
    """The caller of a widget route. Raises 401, 403."""
    core = core_of(request)
    key = api_key or _token(bearer)
    if not key:
        raise Problem(401, "no_key", "X-API-Key is missing")
    hashed = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    async with core.engine.begin() as conn:
        row = (await conn.execute(widget_keys.opened_by(hashed, datetime.now(UTC)))).first()
    if row is None:
        raise Problem(401, "bad_key", "X-API-Key is not valid")
    origin = request.headers.get("origin")
    if origin is not None:
        if not is_listed(origin, row.allowed_origins):
            raise Problem(403, "origin_not_allowed", "this origin may not use the widget")
        allow_origin(request, origin)
    if not row.is_active:
        raise Problem(403, "widget_inactive", "the widget is switched off")
    return Visitor(row.org_id, row.property_id, _visitor_id(visitor_id))


async def person(request: Request, bearer: Annotated[_Bearer, Security(_JWT)]) -> Person:
    """The caller of a console route. Raises 401."""
    core = core_of(request)
    token, secret = _token(bearer), core.settings.jwt_secret
    if not token or secret is None:
        raise _unknown_person()
    try:
        claims = jwt.decode(
            token, secret.get_secret_value(), algorithms=["HS256"], audience=AUDIENCE,
            options={"require": ["exp", "sub"]}, leeway=LEEWAY_SECONDS,
        )  # fmt: skip
        subject = UUID(claims["sub"])
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        raise _unknown_person() from None
    async with core.engine.begin() as conn:
        row = (await conn.execute(host.profile(subject))).first()
    if row is None or row.org_id is None:
        raise _unknown_person()
    return Person(subject, row.org_id, row.role or "viewer")


async def writer(caller: Annotated[Person, Depends(person)]) -> Person:
    """A person who may change things. Raises 403."""
    if caller.role not in MAY_WRITE:
        raise Problem(403, "forbidden", "this needs the role manager or admin")
    return caller


WidgetCaller: TypeAlias = Annotated[Visitor, Depends(visitor)]
Reader: TypeAlias = Annotated[Person, Depends(person)]
Writer: TypeAlias = Annotated[Person, Depends(writer)]


def is_listed(origin: str, allowed: object) -> bool:
    """Origins are compared whole; `null` is what any sandboxed page sends, so never allowed."""
    listed = allowed if isinstance(allowed, list) else []
    return origin != "null" and plain(origin) in {plain(str(one)) for one in listed}


def plain(origin: str) -> str:
    return origin.strip().rstrip("/").casefold()


def _token(bearer: _Bearer) -> str | None:
    return bearer.credentials.strip() or None if bearer else None


def _visitor_id(said: str) -> str | None:
    text = said.strip()
    if not text:
        return None
    if len(text) > LONGEST_VISITOR_ID or not text.isprintable():
        raise Problem(400, "invalid_visitor", "X-Visitor-ID is not an id")
    return text


def _unknown_person() -> Problem:
    return Problem(
        401, "unauthenticated", "a valid bearer token is needed",
        headers={"WWW-Authenticate": "Bearer"},
    )  # fmt: skip
