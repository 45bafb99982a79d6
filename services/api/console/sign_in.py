"""Sign-in and sign-out: a cookie holds the person's bearer token.

People sign in at an OpenID Connect provider (`oidc_sign_in.py`), or at the host. The host's page
sends the token here: `POST /console/sign-in` with the field `token` of a form of this host, or with
the header `Authorization`. On a developer's machine, `crm console` opens a link that works once.
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from services.api.auth.console_authentication import identify_bearer
from services.api.console.endpoints import refusal_of
from services.api.console.forms import read_form
from services.api.console.links import spend_link
from services.api.console.oidc_sign_in import oidc_routes
from services.api.console.same_origin import require_same_origin
from services.api.console.sign_in_address import PATH, next_page
from services.api.console.sign_in_responses import show_sign_in, sign_in_with
from services.api.console.viewers import COOKIE
from services.api.context import context_of
from services.api.problems import Problem


def sign_in_routes() -> list[Route]:
    """Return the routes of signing in and out."""
    return [
        Route(PATH, _sign_in, methods=["GET", "POST"]),
        *oidc_routes(),
        Route("/console/sign-out", _sign_out, methods=["POST"]),
    ]


async def _sign_in(request: Request) -> Response:
    try:
        if request.method == "POST":
            return await _sign_in_with_token(request)
        if link := request.query_params.get("link"):
            token = await spend_link(context_of(request), link)
            return sign_in_with(request, token, next_page(request.query_params.get("next")))
    except Problem as problem:
        return show_sign_in(request, problem.status, problem.message)
    return show_sign_in(request)


async def _sign_in_with_token(request: Request) -> Response:
    require_same_origin(request, context_of(request).settings.console_sign_in_url)
    form = await read_form(request)
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    token = form.get("token") or bearer.strip()
    if await identify_bearer(context_of(request), token) is None:
        raise Problem(401, "unauthenticated", "the token is not valid, or it has expired")
    return sign_in_with(request, token, next_page(form.get("next")))


async def _sign_out(request: Request) -> Response:
    try:
        require_same_origin(request)
    except Problem as problem:
        refused = refusal_of(problem)
        return show_sign_in(request, refused.status, refused.message)
    response = RedirectResponse(PATH, 303)
    response.delete_cookie(COOKIE, path="/console")
    return response
