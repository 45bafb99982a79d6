"""The clear flags beside a lead's personal fields: what scoring needs, whatever is erased."""

from typing import Annotated, Any

from pydantic import Field

from events.event import Event
from events.fields import Flag


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


HasFlag = Annotated[
    Flag,
    Field(description="Told from the value where it is left out.", json_schema_extra=_no_default),
]

_IDENTITY = ("first_name", "last_name", "email", "phone")


def set_flags(event: Event, *, every: bool) -> None:
    """Set the flags that were left out or null: all of them, or those of the values given.

    A value whose flag denies it is refused. A flag without a value stands: the value was erased.
    """
    given = event.model_fields_set
    for field in _IDENTITY:
        flag, value = f"has_{field}", getattr(event, field)
        there = bool(value and value.strip())
        if flag not in given or getattr(event, flag) is None:
            given.discard(flag)
            if every or field in given:
                event.__dict__[flag] = there
                given.add(flag)
        elif there and not getattr(event, flag):
            raise ValueError(f"{flag} is false although {field} is given: leave it out")
