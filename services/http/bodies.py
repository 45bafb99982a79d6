"""Reading what a client sent: JSON of a bounded size, in the shape a model says."""

from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from starlette.requests import ClientDisconnect, Request

from services.http.problems import Problem, invalid

MAX_BODY_BYTES = 1024 * 1024
DEEPEST_JSON = 32

M = TypeVar("M", bound="Sent")


class Sent(BaseModel):
    """A body. Names are camelCase, as clients write them, or as in Python; more is ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


def _empty_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """JSON that the log takes: not too deep, no U+0000, numbers of at most 64 bits."""
    _check(value, 1)
    try:
        orjson.dumps(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"this is no JSON that can be kept: {error}") from None
    return value


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST_JSON:
        raise ValueError(f"at most {DEEPEST_JSON} levels deep")
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("U+0000 in a text cannot be kept")
    inner = [*value, *value.values()] if isinstance(value, dict) else value
    if isinstance(inner, list):
        for one in inner:
            _check(one, depth + 1)


Id = Annotated[UUID | None, BeforeValidator(_empty_is_none)]
"""An id that may be missing; an empty text is none."""
Free = Annotated[dict[str, Any], AfterValidator(_storable)]
"""A free JSON object."""


async def body_of(request: Request, model: type[M]) -> tuple[M, bytes]:
    """The body in its shape, and its canonical bytes. Raises `Problem`."""
    found = await _json(request)
    try:
        said = model.model_validate(found)
    except ValidationError as error:
        raise invalid(error.errors(include_input=False, include_context=False)) from None
    return said, orjson.dumps(found, option=orjson.OPT_SORT_KEYS)


async def _json(request: Request) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    raw = await _bytes(request)
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(415, "unsupported_media_type", "send application/json")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "malformed_json", f"the body is no JSON: {error}") from None


async def _bytes(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise Problem(
                    413, "body_too_large", f"a body is at most {MAX_BODY_BYTES:,} bytes",
                    headers={"Connection": "close"},
                )  # fmt: skip
            parts.append(part)
    except ClientDisconnect:
        raise Problem(400, "disconnected", "the body did not arrive whole") from None
    return b"".join(parts)
