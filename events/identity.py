"""The clear flags beside a lead's personal fields: what scoring needs, whatever is erased."""

from typing import Annotated, Any

from pydantic import Field

from events.event import Event
from events.fields import Flag

HasFlag = Annotated[Flag, Field(description="Told from the value where it is left out.")]

_IDENTITY = ("first_name", "last_name", "email", "phone")


def with_flags(given: Any, *, every: bool) -> Any:
    """`given` with the flags it left out: all of them, or those of the values it brings."""
    if not isinstance(given, dict):
        return given
    missing = {
        f"has_{field}": _is_there(given.get(field))
        for field in _IDENTITY
        if f"has_{field}" not in given and (every or field in given)
    }
    return {**given, **missing} if missing else given


def check_flags(event: Event) -> None:
    """Refuse a value whose flag denies it. A flag without value stands: the value was erased."""
    for field in _IDENTITY:
        if _is_there(getattr(event, field)) and not getattr(event, f"has_{field}"):
            raise ValueError(f"has_{field} is false although {field} is given: leave it out")


def _is_there(value: Any) -> bool:
    return bool(value and str(value).strip())
