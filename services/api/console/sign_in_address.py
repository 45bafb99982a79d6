"""The address of the sign-in page, and the page to which it leads back."""

from urllib.parse import urlencode

from starlette.requests import Request

from services.api.console.forms import is_local

PATH = "/console/sign-in"
HOME = "/console"


def sign_in_address(request: Request) -> str:
    """Return the sign-in page, which leads back to the page of the request."""
    path = request.url.path
    if request.method == "GET" and request.url.query:
        path = f"{path}?{request.url.query}"
    return f"{PATH}?{urlencode({'next': path})}"


def next_page(text: str | None) -> str:
    """Return the page to show after signing in: a page of the console, and no other host's."""
    return text if text and is_local(text) else HOME
