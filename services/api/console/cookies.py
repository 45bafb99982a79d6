"""Cookies of the console: no script reads them, no other site sends them with a write."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from services.api.context import context_of

PATH = "/console"


def set_cookie(
    request: Request,
    response: Response,
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    expires: datetime | None = None,
    path: str = PATH,
) -> None:
    """Let the browser keep a cookie for `max_age` seconds, or until `expires`.

    It is sent over TLS only if the browser uses TLS, here or at a proxy.
    """
    is_secure = context_of(request).settings.console_secure_cookie or request.url.scheme == "https"
    response.set_cookie(
        name, value, max_age=max_age, expires=expires, path=path, secure=is_secure,
        httponly=True, samesite="lax",
    )  # fmt: skip
