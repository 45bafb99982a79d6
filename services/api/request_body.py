"""Reading what a client sent: JSON of a bounded size, in the shape a model says."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from services.api.problems import Problem, invalid
from services.api.schemas.schema import Sent

MAX_BODY_BYTES = 1024 * 1024

M = TypeVar("M", bound=Sent)


@dataclass(frozen=True, slots=True)
class Taken(Generic[M]):
    """A body in its shape, and its canonical bytes."""

    said: M
    raw: bytes


class Takes(Generic[M]):
    """A dependency: the request's body as `model` validates it, which is what the API's document
    shows. Raises `Problem`."""

    def __init__(self, model: type[M]) -> None:
        self.model = model

    async def __call__(self, request: Request) -> Taken[M]:
        found = await _json(request, may_be_absent=self.model.may_be_absent)
        try:
            said = self.model.model_validate(found)
        except ValidationError as error:
            raise invalid(error.errors(include_input=False, include_context=False)) from None
        return Taken(said, _canonical(found))


def _canonical(found: Any) -> bytes:
    """The same bytes for the same JSON. Raises `Problem`: what is read may nest deeper than what
    can be written again."""
    try:
        return orjson.dumps(found, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise Problem(400, "malformed_json", f"the body nests too deeply: {error}") from None


async def _json(request: Request, *, may_be_absent: bool) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    raw = await _bytes(request)
    if may_be_absent and not raw and not kind:
        return {}
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
