"""Request bodies: JSON of a bounded size and number of keys, validated by a request model."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from services.api.problems import Problem, invalid_request
from services.api.schemas.schema import RequestModel
from services.runtime.strict_json import InvalidJson, parse_json
from services.runtime.unicode_text import normalize_texts

MAX_BODY_BYTES = 1024 * 1024
MAX_BODY_KEYS = 5_000
"""The largest number of keys of all objects in a body. A body of the largest size could have
200,000, and each of them costs many times the memory and the time of its bytes."""

M = TypeVar("M", bound=RequestModel)


@dataclass(frozen=True, slots=True)
class ParsedBody(Generic[M]):
    """A validated body with its canonical bytes, which idempotency compares."""

    body: M
    raw: bytes


class BodyParser(Generic[M]):
    """A dependency that parses a request's body with `model`.

    The OpenAPI document shows `model` as the body of the route.
    """

    def __init__(self, model: type[M]) -> None:
        self.model = model

    async def __call__(self, request: Request) -> ParsedBody[M]:
        value = await _read_json(request, may_be_absent=self.model.may_be_absent)
        raw = _canonical_bytes(value)  # first, because it refuses a body that nests too deeply
        try:
            body = self.model.model_validate(normalize_texts(value))
        except ValidationError as error:
            errors = error.errors(include_input=False, include_context=False)
            raise invalid_request(errors) from None
        return ParsedBody(body, raw)


def _canonical_bytes(value: Any) -> bytes:
    """Return the same bytes for the same JSON value, whatever the order of its fields.

    orjson reads deeper nesting than it writes: raise 400 for such a value.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise Problem(
            400, "malformed_json", f"the body nests too deeply ({error}): send flatter JSON"
        ) from None


async def _read_json(request: Request, *, may_be_absent: bool) -> Any:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    raw = await read_bytes(request)
    if may_be_absent and not raw:
        return {}
    if content_type != "application/json" and not content_type.endswith("+json"):
        shown = content_type[:100] or "missing"
        raise Problem(
            415, "unsupported_media_type",
            f"Content-Type is {shown}: send the body as application/json",
        )  # fmt: skip
    try:
        value = parse_json(raw)
    except InvalidJson as error:
        raise Problem(
            400, "malformed_json", f"the body is not valid JSON ({error}): correct it"
        ) from None
    if (keys := _count_keys(value)) > MAX_BODY_KEYS:
        raise Problem(
            400, "too_many_keys",
            f"the objects of the body have {keys:,} keys: send at most {MAX_BODY_KEYS:,}",
        )  # fmt: skip
    return value


def _count_keys(value: Any) -> int:
    """Return the number of keys of all objects in a JSON value, without recursion."""
    count, waiting = 0, [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            count += len(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return count


async def read_bytes(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            # Counted while reading: Content-Length may be missing or wrong.
            if size > MAX_BODY_BYTES:
                raise Problem(
                    413, "body_too_large",
                    f"the body has more than {MAX_BODY_BYTES:,} bytes: send a smaller one",
                    headers={"Connection": "close"},
                )  # fmt: skip
            parts.append(part)
    except ClientDisconnect:
        raise Problem(
            400,
            "disconnected",
            "the connection closed before the whole body arrived: send it again",
        ) from None
    return b"".join(parts)
