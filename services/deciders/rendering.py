"""Rendering of a template's text with the values of one lead, completely or not at all.

A variable is written `{{first_name}}`. An inserted value is not scanned again, so braces in a name
stay as they are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from services.deciders.decider import Refused

VARIABLES = (
    "first_name", "last_name", "property_name", "property_address", "tour_date", "tour_time",
    "tour_type", "tour_link",
)  # fmt: skip
"""The variables that a text may use."""

Values = Mapping[str, str | None]
"""Variable → text; None or a blank text is unknown."""

_VARIABLE = re.compile(r"\{\{([^{}]*)\}\}")
_BRACE = re.compile(r"[{}]")
_BRACES = re.compile(r"\{\{|\}\}")
_SHOWN = 40


class _Part(NamedTuple):
    """A piece of plain text and the variable that follows it; None at the end."""

    plain: str
    variable: str | None


def parse_variables(text: str) -> frozenset[str]:
    """Return the variables of a template.

    Raises `Refused` for an unknown variable, and for a brace that belongs to no variable.
    """
    return _names(_parts(text, _BRACE))


def variables_in(text: str) -> frozenset[str]:
    """Return the variables of a text to be rendered. Raises `Refused` as `render` does."""
    return _names(_parts(text, _BRACES))


def render(text: str, values: Values) -> str:
    """Return the text with its values. Raises `Refused` with the names of all missing values.

    Text that an agent typed is allowed too, so a single brace is not an error here.
    """
    parts = list(_parts(text, _BRACES))
    names = dict.fromkeys(part.variable for part in parts if part.variable is not None)
    missing = [name for name in names if not (values.get(name) or "").strip()]
    if missing:
        raise Refused(
            "missing_value", f"there is no value for {', '.join(missing)}", 422,
            {"variables": missing},
        )  # fmt: skip
    return "".join(part.plain + (values.get(part.variable or "") or "") for part in parts)


def _names(parts: Iterable[_Part]) -> frozenset[str]:
    return frozenset(part.variable for part in parts if part.variable is not None)


def _parts(text: str, forbidden: re.Pattern[str]) -> Iterator[_Part]:
    """Split a text at its variables. Raises `Refused` for a malformed or unknown one."""
    at = 0
    for match in _VARIABLE.finditer(text):
        yield _Part(_plain(text, at, match.start(), forbidden), _variable(match[1].strip(" \t")))
        at = match.end()
    yield _Part(_plain(text, at, len(text), forbidden), None)


def _plain(text: str, start: int, end: int, forbidden: re.Pattern[str]) -> str:
    match = forbidden.search(text, start, end)
    if match is not None:
        malformed = text[match.start() : match.start() + _SHOWN]
        raise Refused(
            "malformed_variable",
            f"{malformed!r} is not a variable: write it as {{{{first_name}}}}", 400,
        )  # fmt: skip
    return text[start:end]


def _variable(name: str) -> str:
    if name not in VARIABLES:
        raise Refused(
            "unknown_variable",
            f"{name[:_SHOWN]!r} is not a variable: use one of {', '.join(VARIABLES)}", 400,
            {"variable": name[:_SHOWN]},
        )  # fmt: skip
    return name
