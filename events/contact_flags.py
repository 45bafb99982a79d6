"""Flags in clear text beside the personal fields of a lead: they remain after an erasure."""

from typing import Annotated, Any

from pydantic import Field

from events.event import Event
from events.fields import Flag


def _no_default(schema: dict[str, Any]) -> None:
    """Remove the default from the JSON Schema: an omitted flag is derived, not false."""
    schema.pop("default", None)


HasFlag = Annotated[
    Flag,
    Field(description="Derived from the value when omitted.", json_schema_extra=_no_default),
]

_FLAGGED_FIELDS = ("first_name", "last_name", "email", "phone")


def set_flags(event: Event, *, is_partial: bool) -> None:
    """Set the flags that were omitted or null, in a partial event only those of the fields set.

    A flag without a value is kept: the value was erased. Raises `ValueError` where a flag is false
    although its value is given.
    """
    fields_set = event.model_fields_set
    for field in _FLAGGED_FIELDS:
        flag, value = f"has_{field}", getattr(event, field)
        has_value = bool(value and value.strip())
        if flag not in fields_set or getattr(event, flag) is None:
            fields_set.discard(flag)
            if not is_partial or field in fields_set:
                # The model is frozen, so the validator writes past `__setattr__`.
                event.__dict__[flag] = has_value
                fields_set.add(flag)
        elif has_value and not getattr(event, flag):
            raise ValueError(f"{flag} is false although {field} is given: omit the flag")
