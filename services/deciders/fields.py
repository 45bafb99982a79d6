"""The fields of an event that is being decided: what is not known is left out of it."""

from typing import Any


def without_nulls(**fields: Any) -> dict[str, Any]:
    """Those that say something: absent is shorter than null, and in an update another thing."""
    return {name: value for name, value in fields.items() if value is not None}
