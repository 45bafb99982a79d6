"""Texts and inline tables in TOML."""

import json
from collections.abc import Mapping, Sequence


def quote(text: str) -> str:
    """Return a text as a TOML string; JSON strings are TOML strings."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def array(texts: Sequence[str]) -> str:
    """Return an array of texts."""
    return f"[{', '.join(map(quote, texts))}]"


def table(values: Mapping[str, str | list[str]]) -> str:
    """Return an inline table of texts and arrays of texts."""
    pairs = (
        f"{key} = {array(value) if isinstance(value, list) else quote(value)}"
        for key, value in values.items()
    )
    return f"{{ {', '.join(pairs)} }}"
