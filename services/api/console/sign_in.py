"""Sign-in and sign-out: a cookie holds the person's bearer token.

The host signs people in. Its page sends the token here: `POST /console/sign-in` with the field
`token` of a form of this host, or with the header `Authorization`. On a developer's machine, `crm
console` opens a link that works once.
"""

from datetime import UTC, datetime

import jwt
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from services.api.auth.console_authentication import identify_bearer
from services.api.console.cookies import set_cookie
from services.api.console.endpoints import refusal_of
from services.api.console.forms import read_form
from services.api.console.links import spend_link
from services.api.console.page import HEADERS
from services.api.console.same_origin import require_same_origin
from services.api.console.sign_in_address import PATH, next_page
from services.api.console.templating import render_template
from services.api.console.viewers import COOKIE
from services.api.context import context_of
from services.api.problems import Problem


def sign_in_routes() -> list[Route]:
    """Return the routes of signing in and out."""
    return [
        Route(PATH, _sign_in, methods=["GET", "POST"]),
        Route("/console/sign-out", _sign_out, methods=["POST"]),
    ]


async def _sign_in(request: Request) -> Response:
    try:
        if request.method == "POST":
            return await _sign_in_with_token(request)
        if link := request.query_params.get("link"):
            token = await spend_link(context_of(request), link)
            return _signed_in(request, token, next_page(request.query_params.get("next")))
    except Problem as problem:
        return _show(request, problem.status, problem.message)
    return _show(request)


async def _sign_in_with_token(request: Request) -> Response:
    require_same_origin(request, context_of(request).settings.console_sign_in_url)
    form = await read_form(request)
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    token = form.get("token") or bearer.strip()
    if await identify_bearer(context_of(request), token) is None:
        raise Problem(401, "unauthenticated", "the token is not valid, or it has expired")
    return _signed_in(request, token, next_page(form.get("next")))


def _signed_in(request: Request, token: str, path: str) -> Response:
    expires_at = jwt.decode(token, options={"verify_signature": False})["exp"]
    response = RedirectResponse(path, 303, headers={"Referrer-Policy": "no-referrer"})
    set_cookie(request, response, COOKIE, token, expires=datetime.fromtimestamp(expires_at, UTC))
    return response


async def _sign_out(request: Request) -> Response:
    try:
        require_same_origin(request)
    except Problem as problem:
        refused = refusal_of(problem)
        return _show(request, refused.status, refused.message)
    response = RedirectResponse(PATH, 303)
    response.delete_cookie(COOKIE, path="/console")
    return response


def _show(request: Request, status: int = 200, error: str | None = None) -> Response:
    host_address = context_of(request).settings.console_sign_in_url
    text = render_template(
        "sign_in.html", error=error, host_address=host_address,
        next=next_page(request.query_params.get("next")),
    )  # fmt: skip
    return HTMLResponse(text, status, headers=HEADERS)
