"""The check that a request which changes something comes from a page of the console itself."""

from urllib.parse import urlsplit

from starlette.requests import Request

from services.api.problems import Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def require_same_origin(request: Request, trusted_page: str | None = None) -> None:
    """Raise 403 for a write that another web site makes a browser send.

    Pages of the host of `trusted_page`, an address, may send it too.

    Browsers say in `Sec-Fetch-Site` where a request comes from, and pages cannot change it. For a
    browser that does not send it, the host of `Origin` must be the host of the request.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site == "same-origin":
        return
    origin = request.headers.get("origin")
    if origin and trusted_page and urlsplit(origin)[:2] == urlsplit(trusted_page)[:2]:
        return
    if site is None and origin and urlsplit(origin).netloc == request.headers.get("host"):
        return
    raise Problem(
        403, "cross_site",
        "this form was not sent by a page of the console: open the page again and repeat it",
    )  # fmt: skip
