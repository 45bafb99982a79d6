"""The two routes of signing in with OpenID Connect: the way to the issuer, and the way back."""

import base64
import hmac

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from services.api.console import oidc
from services.api.console.cookies import set_cookie
from services.api.console.oidc import SignInAttempt
from services.api.console.oidc_provider import refused
from services.api.console.sign_in_address import HOME, PATH, next_page
from services.api.console.sign_in_responses import show_sign_in, sign_in_with
from services.api.context import context_of
from services.api.problems import Problem, not_found

BEGIN_PATH, BACK_PATH = f"{PATH}/oidc", f"{PATH}/oidc/back"
COOKIE = "crm_console_oidc"
COOKIE_SECONDS = 600
"""Time that a person has to sign in at the issuer."""
MAX_PATH_LENGTH = 1_000
"""A browser keeps no cookie of more than 4,096 bytes."""


def oidc_routes() -> list[Route]:
    """Return the routes of signing in with OpenID Connect."""
    return [
        Route(BEGIN_PATH, _begin, methods=["GET"]),
        Route(BACK_PATH, _come_back, methods=["GET"]),
    ]


async def _begin(request: Request) -> Response:
    """Lead the person to the issuer, and let the browser keep the secrets of this attempt."""
    path = next_page(request.query_params.get("next"))
    attempt = SignInAttempt.begin(path if len(path) <= MAX_PATH_LENGTH else HOME)
    try:
        _require_configured(request)
        address = await oidc.authorization_address(
            context_of(request), attempt, _redirect_uri(request)
        )
    except Problem as problem:
        return show_sign_in(request, problem.status, problem.message, attempt.next_path)
    response = RedirectResponse(address, 303, headers={"Referrer-Policy": "no-referrer"})
    content = orjson.dumps([attempt.state, attempt.nonce, attempt.verifier, attempt.next_path])
    value = base64.urlsafe_b64encode(content).decode()
    set_cookie(request, response, COOKIE, value, max_age=COOKIE_SECONDS, path=BEGIN_PATH)
    return response


async def _come_back(request: Request) -> Response:
    """Sign the person in whom the issuer sends back with a code."""
    path = None
    try:
        _require_configured(request)
        attempt = _read_attempt(request)
        path, code = attempt.next_path, request.query_params.get("code")
        if not code:
            raise refused("the identity provider has not signed you in")
        token = await oidc.exchange_code(context_of(request), attempt, code, _redirect_uri(request))
        response = sign_in_with(request, token, path)
    except Problem as problem:
        response = show_sign_in(request, problem.status, problem.message, path)
    response.delete_cookie(COOKIE, path=BEGIN_PATH)  # an attempt is used once
    return response


def _read_attempt(request: Request) -> SignInAttempt:
    """Return the attempt of this browser. Raise 401 if the answer belongs to another one."""
    try:
        content = orjson.loads(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        state, nonce, verifier, path = (str(text) for text in content)
    except (ValueError, TypeError):
        raise _foreign() from None
    answered = request.query_params.get("state", "")
    if not state or not hmac.compare_digest(state.encode(), answered.encode()):
        raise _foreign()
    return SignInAttempt(state, nonce, verifier, next_page(path))


def _foreign() -> Problem:
    return refused("this sign-in was not begun in this browser, or it took too long: sign in again")


def _require_configured(request: Request) -> None:
    if not oidc.is_configured(context_of(request).settings):
        raise not_found("page")


def _redirect_uri(request: Request) -> str:
    """Return the address to which the issuer sends the person back. The issuer knows it already."""
    is_secure = context_of(request).settings.console_secure_cookie
    url = request.url.replace(path=BACK_PATH, query="", fragment="")
    return str(url.replace(scheme="https") if is_secure else url)
