"""Who calls: a visitor by a property's widget key, or a person of an organisation by a JWT.

Nothing here tells which organisations, properties or people there are: a wrong key, a wrong token
and a person nobody knows are answered alike.
"""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Header, Query, Security
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from projections import host, widget_keys
from services.api.auth import session_tokens
from services.api.auth.bearer import Unproven
from services.api.auth.console_users import ADMIN, MAY_WRITE, Person, no_such
from services.api.auth.visitors import LONGEST_VISITOR_ID, Visitor, is_listed, visitor_id_of
from services.api.context import core_of
from services.api.middleware import allow_origin
from services.api.problems import Problem
from services.api.rate_limit.limits import limit_address, limit_visit
from services.api.schemas import example

__all__ = [
    "Admin", "Listening", "NewVisitor", "Person", "Reader", "Visitor", "WidgetCaller", "Writer",
    "admin", "listener", "new_visitor", "no_such", "person", "visitor", "writer",
]  # fmt: skip

_Bearer: TypeAlias = HTTPAuthorizationCredentials | None
_KEY = APIKeyHeader(
    name="X-API-Key", scheme_name="widgetKey", auto_error=False,
    description="The key of a property's widget.",
)  # fmt: skip
_KEY_AS_BEARER = HTTPBearer(
    scheme_name="widgetKeyAsBearer", auto_error=False,
    description="The same key, for clients that cannot set X-API-Key.",
)  # fmt: skip
_KEY_IN_QUERY = APIKeyQuery(
    name="key", scheme_name="widgetKeyInQuery", auto_error=False,
    description="The same key, for an EventSource, which cannot set headers. On this route only.",
)  # fmt: skip
_JWT = HTTPBearer(
    scheme_name="person", bearerFormat="JWT", auto_error=False,
    description="A person of an organisation, by the token its identity provider issued.",
)  # fmt: skip
_Key: TypeAlias = Annotated[str | None, Security(_KEY)]
_KeyAsBearer: TypeAlias = Annotated[_Bearer, Security(_KEY_AS_BEARER)]
_VisitorId: TypeAlias = Annotated[
    str,
    Header(
        alias="X-Visitor-ID", description="The client's own id of this visitor.",
        json_schema_extra={"maxLength": LONGEST_VISITOR_ID, "examples": [example.VISITOR]},
    ),
]  # fmt: skip
_SessionToken: TypeAlias = Annotated[
    str | None,
    Header(
        alias=session_tokens.HEADER,
        description="What chat answered as `sessionToken`: needed to go on with a session that "
        "was begun without X-Visitor-ID.",
    ),
]


async def visitor(
    request: Request,
    api_key: _Key,
    bearer: _KeyAsBearer,
    visitor_id: _VisitorId = "",
    session_token: _SessionToken = None,
) -> Visitor:
    """The caller of a widget route. Raises 401, 403, 429."""
    row = await _opened(request, api_key or _token(bearer))
    if row is None:
        await limit_address(request)
        raise Problem(401, "bad_key", "X-API-Key is not valid")
    return await _admitted(request, row, visitor_id, session_token)


async def new_visitor(
    request: Request,
    api_key: _Key,
    bearer: _KeyAsBearer,
    visitor_id: _VisitorId = "",
    session_token: _SessionToken = None,
) -> Visitor:
    """The caller who asks for the widget itself: an unknown key is no widget. Raises 401 to 429."""
    row = await _opened(request, api_key or _token(bearer))
    if row is None:
        await limit_address(request)
        raise no_such("widget")
    return await _admitted(request, row, visitor_id, session_token)


async def listener(
    request: Request,
    api_key: _Key,
    bearer: _KeyAsBearer,
    key: Annotated[str | None, Security(_KEY_IN_QUERY)],
    visitor_id: _VisitorId = "",
    session_token: _SessionToken = None,
    visitor_in_query: Annotated[
        str, Query(alias="visitorId", description="The same, where X-Visitor-ID cannot be set.")
    ] = "",
    token_in_query: Annotated[
        str | None, Query(alias="sessionToken", description=f"The same as {session_tokens.HEADER}.")
    ] = None,
) -> Visitor:
    """The caller of a stream, who may not be able to set headers. Raises 401, 403, 429."""
    return await visitor(
        request, api_key or key, bearer, visitor_id or visitor_in_query,
        session_token or token_in_query,
    )  # fmt: skip


async def person(request: Request, bearer: Annotated[_Bearer, Security(_JWT)]) -> Person:
    """The caller of a console route. Raises 401, and 503 where keys cannot be fetched."""
    core, token = core_of(request), _token(bearer)
    if not token:
        raise _unknown_person()
    try:
        subject = await core.bearers.subject(token)
    except Unproven:
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


async def admin(caller: Annotated[Person, Depends(person)]) -> Person:
    """A person who may see and change configuration and keys. Raises 403."""
    if caller.role != ADMIN:
        raise Problem(403, "forbidden", "this needs the role admin")
    return caller


WidgetCaller: TypeAlias = Annotated[Visitor, Depends(visitor)]
Listening: TypeAlias = Annotated[Visitor, Depends(listener)]
NewVisitor: TypeAlias = Annotated[Visitor, Depends(new_visitor)]
Reader: TypeAlias = Annotated[Person, Depends(person)]
Writer: TypeAlias = Annotated[Person, Depends(writer)]
Admin: TypeAlias = Annotated[Person, Depends(admin)]


async def _opened(request: Request, key: str | None) -> Any | None:
    """The widget that a key opens; None for a key that opens none."""
    if not key:
        raise Problem(401, "no_key", "X-API-Key is missing")
    hashed = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    async with core_of(request).engine.begin() as conn:
        return (await conn.execute(widget_keys.opened_by(hashed, datetime.now(UTC)))).first()


async def _admitted(
    request: Request, row: Any, visitor_id: str, session_token: str | None
) -> Visitor:
    """The visitor of an opened widget, whose origin, settings and limits let it in."""
    origin = request.headers.get("origin")
    if origin is not None:
        if not is_listed(origin, row.allowed_origins):
            raise Problem(403, "origin_not_allowed", "this origin may not use the widget")
        allow_origin(request, origin)
    if not row.is_active:
        raise Problem(403, "widget_inactive", "the widget is switched off")
    said = visitor_id_of(visitor_id)
    core = core_of(request)
    proof = session_tokens.proof_of(core.signing_key, session_token)
    if proof is None or proof.property_id != row.property_id or said not in (
        None, proof.visitor_id,
    ):  # fmt: skip
        proven = None
    else:
        said, proven = proof.visitor_id, proof.session_id
    caller = Visitor(row.org_id, row.property_id, said, proven, core.sources.of(request))
    await limit_visit(request, caller)
    return caller


def _token(bearer: _Bearer) -> str | None:
    return bearer.credentials.strip() or None if bearer else None


def _unknown_person() -> Problem:
    return Problem(
        401, "unauthenticated", "a valid bearer token is needed",
        headers={"WWW-Authenticate": "Bearer"},
    )  # fmt: skip
