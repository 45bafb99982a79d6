"""Conditions on the fields and the score of a lead."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ConditionField(StrEnum):
    """A field that a condition may name."""

    STATUS = "status"
    SOURCE = "source"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    EMAIL = "email"
    PHONE = "phone"
    MOVE_IN_DATE = "move_in_date"
    BEDROOMS = "bedrooms"
    ASSIGNED_AGENT = "assigned_agent_id"
    SCORE = "score"
    BUCKET = "score_bucket"


class ConditionOperator(StrEnum):
    """The comparison of a field with a value."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    ONE_OF = "one_of"
    CONTAINS = "contains"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    EXISTS = "exists"
    MISSING = "missing"


_WITHOUT_VALUE = (ConditionOperator.EXISTS, ConditionOperator.MISSING)
_ORDERING = (ConditionOperator.AT_LEAST, ConditionOperator.AT_MOST)


class Condition(BaseModel):
    """A condition: `field` compared with `value` by `operator`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: ConditionField
    operator: ConditionOperator
    value: str | int | float | tuple[str, ...] | None = Field(default=None, union_mode="smart")

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        if self.operator in _WITHOUT_VALUE:
            if self.value is not None:
                raise ValueError(f"{self.operator} compares with no value: remove it")
        elif self.operator is ConditionOperator.ONE_OF:
            if not isinstance(self.value, tuple) or not self.value:
                raise ValueError("one_of needs a list of texts")
        elif self.value is None or isinstance(self.value, tuple):
            raise ValueError(f"{self.operator} needs one value")
        elif self.operator in _ORDERING and _to_ordered(self.field, self.value) is None:
            raise ValueError(f"{self.value!r} is not comparable with {self.field}")
        return self

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return whether it holds. A field without a value meets only `missing`, `not_equals`."""
        actual = values.get(self.field)
        match self.operator:
            case ConditionOperator.EXISTS:
                return actual not in (None, "")
            case ConditionOperator.MISSING:
                return actual in (None, "")
            case ConditionOperator.NOT_EQUALS:
                return _to_text(actual) != _to_text(self.value)
        if actual in (None, ""):
            return False
        match self.operator:
            case ConditionOperator.EQUALS:
                return _to_text(actual) == _to_text(self.value)
            case ConditionOperator.ONE_OF:
                texts = self.value if isinstance(self.value, tuple) else ()
                return _to_text(actual) in {_to_text(text) for text in texts}
            case ConditionOperator.CONTAINS:
                return _to_text(self.value) in _to_text(actual)
        left, right = _to_ordered(self.field, actual), _to_ordered(self.field, self.value)
        if left is None or right is None:
            return False
        return left >= right if self.operator is ConditionOperator.AT_LEAST else left <= right


def _to_text(value: Any) -> str:
    """Return a value as text in one spelling: case and the form of numbers do not matter."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str("" if value is None else value).strip().casefold()


def _to_ordered(field: ConditionField, value: Any) -> float | None:
    """Return a value as a number that can be ordered, a date as its day number; None if none."""
    try:
        if field is ConditionField.MOVE_IN_DATE:
            day = value if isinstance(value, date) else date.fromisoformat(str(value))
            return float(day.toordinal())
        return float(value)
    except (TypeError, ValueError):
        return None
