"""The limits of free JSON that the log can store."""

from typing import Any

import orjson

MAX_DEPTH = 32


def check_storable_json(value: dict[str, Any]) -> dict[str, Any]:
    """Return the value unchanged.

    Raise `ValueError` if it is nested too deeply, contains U+0000, or has a number of more than 64
    bits.
    """
    _check(value, 1)
    try:
        orjson.dumps(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the JSON cannot be stored: {error}") from None
    return value


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"the JSON has more than {MAX_DEPTH} levels: send a flatter one")
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("a text contains U+0000, which cannot be stored: remove it")
    inner = [*value, *value.values()] if isinstance(value, dict) else value
    if isinstance(inner, list):
        for item in inner:
            _check(item, depth + 1)
