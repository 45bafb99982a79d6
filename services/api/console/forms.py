"""Fields of a form that a browser has sent, and the answer to a form that was carried out."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.api.console.cookies import set_cookie
from services.api.problems import Problem
from services.runtime.unicode_text import normalize_texts

MAX_BYTES = 256 * 1024
MAX_FIELDS = 200
RESULT_COOKIE = "crm_console_result"
RESULT_SECONDS = 30

Form = Mapping[str, str]
"""Name of a field → its text without outer spaces."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a form: the page to show next, and what was done, in one sentence.

    `link` is the path of what the form made, such as the event, and `link_name` its text.
    """

    path: str
    notice: str
    link: str | None = None
    link_name: str = "Show it"


@dataclass(frozen=True, slots=True)
class ShownResult:
    """The notice of the page after a form, and the consistency token with which it reads."""

    notice: str
    link: str | None
    link_name: str
    token: str | None


async def read_form(request: Request) -> Form:
    """Return the fields of a form. Raise 400 or 413 for a body that no page sends."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise Problem(413, "too_large", f"the form is larger than {MAX_BYTES} bytes")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=bool(body),
            max_num_fields=MAX_FIELDS,
        )  # fmt: skip
    except ValueError as error:
        raise Problem(400, "malformed_form", f"the form is malformed ({error})") from None
    return {name: str(normalize_texts(text)).strip() for name, text in pairs}


def redirect_after(request: Request, done: Done, token: str | None) -> Response:
    """Return the redirect to the next page, which shows the result once."""
    response = RedirectResponse(done.path, 303)
    content = orjson.dumps({
        "notice": done.notice, "link": done.link, "link_name": done.link_name, "token": token,
    })  # fmt: skip
    encoded = base64.urlsafe_b64encode(content).decode()
    set_cookie(request, response, RESULT_COOKIE, encoded, max_age=RESULT_SECONDS)
    return response


def read_result(request: Request) -> ShownResult | None:
    """Return the result of the form before this page."""
    text = request.cookies.get(RESULT_COOKIE)
    if not text:
        return None
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text))
        notice, link, token = found["notice"], found["link"], found["token"]
        link_name = str(found["link_name"])
    except (ValueError, KeyError, TypeError):
        return None
    if link is not None and not is_local(str(link)):
        return None
    return ShownResult(str(notice), link and str(link), link_name, token and str(token))


def is_local(path: str) -> bool:
    """Return whether a path leads to a page of the console, and to no other host."""
    return path.startswith("/console") and "\\" not in path and path.isprintable()
