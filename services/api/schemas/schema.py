"""The base classes of request and response models, and the field types that they share."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict
from pydantic import alias_generators as alias
from pydantic.json_schema import WithJsonSchema

from services.api.schemas import example
from services.api.schemas.json_values import check_storable_json

Examples: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Title of an example → the JSON object."""


class RequestModel(BaseModel):
    """A request body. Names are camelCase or as in Python; unknown fields are ignored.

    `may_be_absent`: a request without a body and without a content type means `{}`.
    """

    model_config = ConfigDict(
        alias_generator=alias.to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )
    examples: ClassVar[Examples] = {}
    may_be_absent: ClassVar[bool] = False


class ResponseModel(BaseModel):
    """A response body in camelCase. Later versions may add fields."""

    model_config = ConfigDict(alias_generator=alias.to_camel)
    examples: ClassVar[Examples] = {}


class ResponseRow(BaseModel):
    """A row as it is in its table, in snake_case. Later versions may add columns."""


class SuccessResponse(ResponseModel):
    """The confirmation of a change that has no other result."""

    examples: ClassVar[Examples] = {"done": {"success": True}}

    success: Literal[True]


def blank_to_none(value: Any) -> Any:
    """Return None for a blank text: forms send it for a field that was not filled in."""
    return None if isinstance(value, str) and not value.strip() else value


def drop_blank_fields(data: Any) -> Any:
    """Return a JSON object without its blank texts; any other value unchanged."""
    if not isinstance(data, dict):
        return data
    return {
        name: value
        for name, value in data.items()
        if not (isinstance(value, str) and not value.strip())
    }


BLANK_TO_NONE = BeforeValidator(blank_to_none)
OptionalId = Annotated[UUID | None, BLANK_TO_NONE]
"""An id that may be missing. A blank text means none."""
FreeJson = Annotated[dict[str, Any], AfterValidator(check_storable_json)]
"""A JSON object with any content that the log can store."""
LeadId: TypeAlias = Annotated[UUID, Path(examples=[example.LEAD])]

Instant = AwareDatetime
LocalTimeText = Annotated[
    str, WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}:\d{2}$"})
]
"""A local time with seconds, as in a table."""
