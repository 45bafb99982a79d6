"""Authentication of visitors by a widget key, as dependencies of routes.

The order of the checks is: key, origin, active widget, visitor id and session token, rate limits.
A request with an unknown key counts against the limit of its network only.
"""

import hashlib
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import Depends, Header, Security
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from events.visitor_ids import hash_visitor_id
from projections import sessions, widget_keys
from services.api.auth import session_tokens
from services.api.auth.origins import is_listed
from services.api.auth.stream_tickets import TicketClaims, redeem_ticket
from services.api.auth.visitors import MAX_VISITOR_ID_LENGTH, Visitor, parse_visitor_id
from services.api.context import context_of
from services.api.middleware import allow_origin
from services.api.problems import Problem, not_found
from services.api.rate_limit.limits import limit_network, limit_visitor
from services.api.reading import PreparedQuery
from services.api.schemas import example
from services.application.client_ids import possible_ids

_WIDGET = PreparedQuery(widget_keys.opened_by, "key_hash", "now")
_Bearer: TypeAlias = HTTPAuthorizationCredentials | None
_KEY = APIKeyHeader(
    name="X-API-Key", scheme_name="widgetKey", auto_error=False,
    description="The key of a property's widget.",
)  # fmt: skip
_KEY_AS_BEARER = HTTPBearer(
    scheme_name="widgetKeyAsBearer", auto_error=False,
    description="The same key, for clients that cannot set X-API-Key.",
)  # fmt: skip
_TICKET = APIKeyQuery(
    name="ticket", scheme_name="streamTicket", auto_error=False,
    description="A ticket of `POST /chat/stream-tickets`, for an EventSource, which cannot set "
    "headers. On this route only.",
)  # fmt: skip
_Key: TypeAlias = Annotated[str | None, Security(_KEY)]
_KeyAsBearer: TypeAlias = Annotated[_Bearer, Security(_KEY_AS_BEARER)]
_VisitorId: TypeAlias = Annotated[
    str,
    Header(
        alias="X-Visitor-ID",
        description="The client's own id of this visitor.",
        json_schema_extra={"maxLength": MAX_VISITOR_ID_LENGTH, "examples": [example.VISITOR]},
    ),
]
_SessionToken: TypeAlias = Annotated[
    str | None,
    Header(
        alias=session_tokens.HEADER,
        description="The newest `sessionToken` of a response. Needed to continue a session that "
        "was started without X-Visitor-ID.",
    ),
]


async def authenticate_visitor(
    request: Request,
    api_key: _Key,
    bearer: _KeyAsBearer,
    visitor_id: _VisitorId = "",
    session_token: _SessionToken = None,
) -> Visitor:
    """Return the caller of a widget route. Raise 400, 401, 403 or 429."""
    row = await _find_widget(request, api_key or _key_of(bearer))
    if row is None:
        await limit_network(request)
        raise Problem(
            401, "bad_key", "the widget key is not valid: send the key that the console shows"
        )
    return await _admit(request, row, visitor_id, session_token)


async def authenticate_page_visitor(
    request: Request,
    api_key: _Key,
    bearer: _KeyAsBearer,
    visitor_id: _VisitorId = "",
    session_token: _SessionToken = None,
) -> Visitor:
    """Return the caller who loads the widget itself. Raise 404 for an unknown key, else as above.

    For a page without a valid key the widget does not exist.
    """
    row = await _find_widget(request, api_key or _key_of(bearer))
    if row is None:
        await limit_network(request)
        raise not_found("widget")
    return await _admit(request, row, visitor_id, session_token)


async def authenticate_stream_visitor(
    request: Request,
    api_key: _Key,
    bearer: _KeyAsBearer,
    ticket: Annotated[str | None, Security(_TICKET)],
    visitor_id: _VisitorId = "",
    session_token: _SessionToken = None,
) -> Visitor:
    """Return the caller of an event stream, by a ticket if there is one. Raise as above."""
    if ticket is not None:
        return await _admit_by_ticket(request, ticket)
    return await authenticate_visitor(request, api_key, bearer, visitor_id, session_token)


WidgetVisitor: TypeAlias = Annotated[Visitor, Depends(authenticate_visitor)]
PageVisitor: TypeAlias = Annotated[Visitor, Depends(authenticate_page_visitor)]
StreamVisitor: TypeAlias = Annotated[Visitor, Depends(authenticate_stream_visitor)]


async def _find_widget(request: Request, key: str | None) -> Any | None:
    """Return the row of the widget that the key opens; None for an unknown or expired key."""
    if not key:
        raise Problem(401, "no_key", "the widget key is missing: send it in X-API-Key")
    context = context_of(request)
    key_hash = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    return await context.widgets.load(
        key_hash, lambda: context.find(_WIDGET(key_hash=key_hash, now=context.clock.now()))
    )


async def _admit_by_ticket(request: Request, ticket: str) -> Visitor:
    """Return the visitor of the ticket's session. Raise 401 for a ticket that does not open it."""
    context = context_of(request)
    async with context.pool.acquire() as conn:
        claims = await redeem_ticket(conn, ticket)
    if claims is None or not _opens(claims, request.query_params.get("sessionId", "")):
        await limit_network(request)
        raise _bad_ticket()
    widget = await context.find(widget_keys.of_property(claims.property_id))
    session = await context.find(sessions.by_ids(claims.property_id, [claims.session_id]))
    if widget is None or session is None:
        raise _bad_ticket()
    _check_widget(request, widget)
    caller = Visitor(
        widget.org_id, claims.property_id, session.visitor_id, claims.session_id,
        context.networks.network_of(request),
    )  # fmt: skip
    await limit_visitor(request, caller)
    return caller


def _opens(claims: TicketClaims, session_id: str) -> bool:
    """Return whether the ticket opens the session that the client names."""
    try:
        return claims.session_id in possible_ids(claims.property_id, "session", UUID(session_id))
    except ValueError:
        return False


async def _admit(
    request: Request, row: Any, visitor_id_header: str, session_token: str | None
) -> Visitor:
    """Return the visitor if the widget's origins and state and the rate limits permit it."""
    _check_widget(request, row)
    context = context_of(request)
    visitor_id = parse_visitor_id(visitor_id_header)
    visitor_hash = None
    if visitor_id is not None:
        # From here on nothing knows the visitor's own id: it is stored, logged and published as
        # its hash.
        key = await context.keys.load_newest("visitor_id")
        visitor_hash = hash_visitor_id(key, row.property_id, visitor_id)
    claims = await session_tokens.verify_session_token(context, session_token)
    verified_session_id = None
    # A token of another property or of another visitor is ignored, not refused: clients keep
    # tokens for long and send them everywhere.
    if (
        claims is not None
        and claims.property_id == row.property_id
        and visitor_hash in (None, claims.visitor_hash)
    ):
        visitor_hash, verified_session_id = claims.visitor_hash, claims.session_id
    caller = Visitor(
        row.org_id, row.property_id, visitor_hash, verified_session_id,
        context.networks.network_of(request),
    )  # fmt: skip
    await limit_visitor(request, caller)
    return caller


def _key_of(bearer: _Bearer) -> str | None:
    return bearer.credentials.strip() or None if bearer else None


def _check_widget(request: Request, row: Any) -> None:
    """Raise 403 if the widget is inactive or not allowed on the page's origin."""
    origin = request.headers.get("origin")
    # A page of this host, such as the demonstration: browsers say so, and pages cannot change it.
    if origin is not None and request.headers.get("sec-fetch-site") != "same-origin":
        if not is_listed(origin, row.allowed_origins):
            raise Problem(
                403, "origin_not_allowed",
                f"the origin {origin[:200]} may not use this widget: add it to allowedOrigins",
            )  # fmt: skip
        allow_origin(request, origin)
    if not row.is_active:
        raise Problem(
            403, "widget_inactive", "the widget is switched off: set isActive in its configuration"
        )


def _bad_ticket() -> Problem:
    return Problem(
        401, "bad_ticket", "the ticket is unknown, used, expired or of another session: get another"
    )
