"""What every shape is made of: bodies are `Sent`, answers are `Answered`, both with examples."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict
from pydantic import alias_generators as alias
from pydantic.json_schema import WithJsonSchema

from services.api.schemas import example
from services.api.schemas.json_values import storable

Examples: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What it is an example of → the JSON object."""


class Sent(BaseModel):
    """A body. Names are camelCase, as clients write them, or as in Python; more is ignored.

    `may_be_absent`: a request without a body, and so without a content type, says `{}`.
    """

    model_config = ConfigDict(
        alias_generator=alias.to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )
    examples: ClassVar[Examples] = {}
    may_be_absent: ClassVar[bool] = False


class Answered(BaseModel):
    """An answer in camelCase; more fields may come."""

    model_config = ConfigDict(alias_generator=alias.to_camel)
    examples: ClassVar[Examples] = {}


class AnsweredRow(BaseModel):
    """A row as it is in its table, in snake_case; more columns may come."""


def empty_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


BLANK_IS_NONE = BeforeValidator(empty_is_none)
Id = Annotated[UUID | None, BLANK_IS_NONE]
"""An id that may be missing; an empty text is none."""
Free = Annotated[dict[str, Any], AfterValidator(storable)]
"""A free JSON object."""
LeadId: TypeAlias = Annotated[UUID, Path(examples=[example.LEAD])]

Instant = AwareDatetime
Clock = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}:\d{2}$"})]
"""A local time with its seconds."""
