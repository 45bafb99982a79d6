"""The two results of signing in: the session's cookie, and the sign-in page with what is wrong."""

from datetime import UTC, datetime

import jwt
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.api.console.cookies import set_cookie
from services.api.console.oidc import is_configured
from services.api.console.page import HEADERS
from services.api.console.sign_in_address import next_page
from services.api.console.templating import render_template
from services.api.console.viewers import COOKIE
from services.api.context import context_of


def sign_in_with(request: Request, token: str, path: str) -> Response:
    """Let the browser keep a token that is valid, until it expires, and show a page."""
    expires_at = jwt.decode(token, options={"verify_signature": False})["exp"]
    response = RedirectResponse(path, 303, headers={"Referrer-Policy": "no-referrer"})
    set_cookie(request, response, COOKIE, token, expires=datetime.fromtimestamp(expires_at, UTC))
    return response


def show_sign_in(
    request: Request, status: int = 200, error: str | None = None, path: str | None = None
) -> Response:
    """Return the sign-in page. It leads to `path`, or to the page that the request names."""
    host_address = context_of(request).settings.console_sign_in_url
    text = render_template(
        "sign_in.html", error=error, host_address=host_address,
        has_provider=is_configured(context_of(request).settings),
        next=next_page(path or request.query_params.get("next")),
    )  # fmt: skip
    return HTMLResponse(text, status, headers=HEADERS)
