"""Request bodies: JSON of a bounded size, validated by a request model."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from services.api.problems import Problem, invalid_request
from services.api.schemas.schema import RequestModel

MAX_BODY_BYTES = 1024 * 1024

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
        try:
            body = self.model.model_validate(value)
        except ValidationError as error:
            errors = error.errors(include_input=False, include_context=False)
            raise invalid_request(errors) from None
        return ParsedBody(body, _canonical_bytes(value))


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
    raw = await _read_bytes(request)
    if may_be_absent and not raw and not content_type:
        return {}
    if content_type != "application/json" and not content_type.endswith("+json"):
        shown = content_type[:100] or "missing"
        raise Problem(
            415, "unsupported_media_type",
            f"Content-Type is {shown}: send the body as application/json",
        )  # fmt: skip
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(
            400, "malformed_json", f"the body is not valid JSON ({error}): correct it"
        ) from None


async def _read_bytes(request: Request) -> bytes:
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
