"""Strict JSON: the one parser of JSON that a client or a producer sends.

It accepts the JSON of RFC 8259 and nothing else. The same text is read the same way by the HTTP
routes and by the intake.
"""

import json
from collections import Counter
from typing import Any

import orjson


class InvalidJson(ValueError):
    """The text is no JSON that can be read without doubt; the message says why."""


def parse_json(text: bytes) -> Any:
    """Return the value of a JSON text in UTF-8. Raise `InvalidJson`.

    NaN, Infinity, a number beyond the range of a double, a lone surrogate and an object with two
    equal keys are refused. An integer of more than 64 bits becomes the nearest double.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(str(error)) from None
    try:
        # orjson keeps the last of several equal keys: another reader may have kept the first.
        json.loads(text, object_pairs_hook=_refuse_equal_keys)
    except RecursionError:
        raise InvalidJson("the value is nested too deeply: send flatter JSON") from None
    return value


def find_error_place(text: str) -> str:
    """Return where a text stops being JSON, as "line 2, column 5: "; empty if it is JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: "
    except RecursionError:
        return ""
    return ""


def _refuse_equal_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        [(key, _), *_] = Counter(key for key, _ in pairs).most_common(1)
        raise InvalidJson(f"the key {key[:100]!r} occurs twice in an object: send it once")
    return values
