"""Free JSON that the log takes: not too deep, no U+0000, numbers of at most 64 bits."""

from typing import Any

import orjson

DEEPEST_JSON = 32


def storable(value: dict[str, Any]) -> dict[str, Any]:
    """Raises `ValueError`."""
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
