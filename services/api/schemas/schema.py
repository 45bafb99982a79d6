"""The base classes of request and response models, and the field types that they share."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic import alias_generators as alias
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema

from services.api.schemas import example
from services.api.schemas.json_values import check_storable_json

Examples: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Title of an example → the JSON object."""
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+")


class RequestModel(BaseModel):
    """A request body. Names are camelCase or as in Python; unknown fields are ignored.

    `may_be_absent`: a request without a body means `{}`, whatever its content type.
    """

    model_config = ConfigDict(
        alias_generator=alias.to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )
    examples: ClassVar[Examples] = {}
    may_be_absent: ClassVar[bool] = False


class ChangeModel(RequestModel):
    """A request that changes fields. It must contain at least one of them.

    `addressing` are the fields that say what is changed, and how, but are no changes themselves.
    """

    addressing: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _require_change(self) -> Self:
        if not self.model_fields_set - self.addressing:
            names = ", ".join(self._change_names())
            raise ValueError(f"no field to change is known: send at least one of {names}")
        return self

    @classmethod
    def _change_names(cls) -> list[str]:
        """Return the names that the OpenAPI document shows for the fields to change."""
        return [alias.to_camel(name) for name in cls.model_fields if name not in cls.addressing]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)
        properties["anyOf"] = [{"required": [name]} for name in cls._change_names()]
        return schema


class ResponseModel(BaseModel):
    """A response body in camelCase. Later versions may add fields."""

    model_config = ConfigDict(alias_generator=alias.to_camel)
    examples: ClassVar[Examples] = {}


class WaitsFor(ResponseModel):
    """The parked event for which the row of a stored change waits; see `crm parked list`."""

    event_id: UUID
    reason: str


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


def refuse_number(value: Any) -> Any:
    """Return the value. Raise `ValueError` for a number, which pydantic would read as seconds."""
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, int | float) or (isinstance(text, str) and _NUMBER.fullmatch(text)):
        raise ValueError("a number is not a date: send the date as YYYY-MM-DD")
    return value


NO_NUMBER = BeforeValidator(refuse_number)
IsoDay = Annotated[date, NO_NUMBER]
"""A day as YYYY-MM-DD."""
BLANK_TO_NONE = BeforeValidator(blank_to_none)
OptionalId = Annotated[UUID | None, BLANK_TO_NONE]
"""An id that may be missing. A blank text means none."""
FreeJson = Annotated[
    dict[str, Any],
    AfterValidator(check_storable_json),
    Field(
        description="A JSON object with any content. An integer of more than 64 bits is stored as "
        "the nearest double: send such numbers as texts."
    ),
]
"""A JSON object with any content that the log can store."""
LeadId: TypeAlias = Annotated[UUID, Path(examples=[example.LEAD])]

Instant = AwareDatetime
LocalTimeText = Annotated[
    str, WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}:\d{2}$"})
]
"""A local time with seconds, as in a table."""
