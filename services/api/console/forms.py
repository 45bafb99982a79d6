"""Fields of a form that a browser has sent, and the answer to a form that was carried out."""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl
from uuid import UUID

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
UNSHOWN_SECONDS = 3_600
"""For how long the pages say that a write is not in the tables."""

Form = Mapping[str, str]
"""Name of a field → its text without outer spaces."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a form: the page to show next, and what was done, in one sentence.

    `link` is the path of what the form made, such as the event, and `link_name` its text. `what`
    names what is stored where the tables do not contain it yet.
    """

    path: str
    notice: str
    link: str | None = None
    link_name: str = "Show it"
    what: str = "change"


@dataclass(frozen=True, slots=True)
class ShownResult:
    """The notice of the page after a form, and the consistency token of its write.

    The notice is empty once a page has shown it, while the tables do not contain the write.
    """

    notice: str
    link: str | None
    link_name: str
    token: str | None
    what: str
    event_id: str | None
    written_at: float


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


def redirect_after(
    request: Request, done: Done, token: str | None, event_id: str | None = None
) -> Response:
    """Return the redirect to the next page, which shows the result once."""
    response = RedirectResponse(done.path, 303)
    result = ShownResult(
        done.notice, done.link, done.link_name, token, done.what, event_id, time.time()
    )
    set_result(request, response, result, RESULT_SECONDS)
    return response


def set_result(
    request: Request, response: Response, result: ShownResult, seconds: int = UNSHOWN_SECONDS
) -> None:
    """Let the next pages show a result for some seconds."""
    encoded = base64.urlsafe_b64encode(orjson.dumps(result)).decode()
    set_cookie(request, response, RESULT_COOKIE, encoded, max_age=seconds)


def read_result(request: Request) -> ShownResult | None:
    """Return the result of the form before this page."""
    text = request.cookies.get(RESULT_COOKIE)
    if not text:
        return None
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text))
        link, token, event_id = found["link"], found["token"], found["event_id"]
        result = ShownResult(
            str(found["notice"]), link and str(link), str(found["link_name"]),
            token and str(token), str(found["what"]), event_id and str(UUID(event_id)),
            float(found["written_at"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return result if result.link is None or is_local(result.link) else None


def is_local(path: str) -> bool:
    """Return whether a path leads to a page of the console, and to no other host."""
    return path.startswith("/console") and "\\" not in path and path.isprintable()
