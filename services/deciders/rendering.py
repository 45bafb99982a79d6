"""Rendering: a template's text with the values of one lead put in, whole or not at all.

A variable is written `{{first_name}}`. Values are put in once and are not looked at again, so
braces in somebody's name stay what they are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from services.deciders.decider import Refused

VARIABLES = (
    "first_name", "last_name", "property_name", "property_address", "tour_date", "tour_time",
    "tour_type", "tour_link",
)  # fmt: skip
"""What a text may speak of."""

Values = Mapping[str, str | None]
"""Variable → its text; null or blank is not known."""

_VARIABLE = re.compile(r"\{\{([^{}]*)\}\}")
_BRACE = re.compile(r"[{}]")
_BRACES = re.compile(r"\{\{|\}\}")
_SHOWN = 40


class _Part(NamedTuple):
    """A piece of text, and the variable that follows it; None at the end."""

    plain: str
    variable: str | None


def variables_of(text: str) -> frozenset[str]:
    """What a template speaks of. Raises `Refused` for what is unknown, and for a brace too many."""
    return _named(_parts(text, _BRACE))


def mentions(text: str) -> frozenset[str]:
    """What a text to be rendered speaks of. Raises `Refused` as `render` does."""
    return _named(_parts(text, _BRACES))


def render(text: str, values: Values) -> str:
    """The text with its values. Raises `Refused` where one is missing: it names all that are.

    What people type is taken too: a single brace is theirs to use.
    """
    parts = list(_parts(text, _BRACES))
    wanted = dict.fromkeys(part.variable for part in parts if part.variable is not None)
    missing = [name for name in wanted if not (values.get(name) or "").strip()]
    if missing:
        raise Refused(
            "missing_value", f"nothing is known here for {', '.join(missing)}", 422,
            {"variables": missing},
        )  # fmt: skip
    return "".join(part.plain + (values.get(part.variable or "") or "") for part in parts)


def _named(parts: Iterable[_Part]) -> frozenset[str]:
    return frozenset(part.variable for part in parts if part.variable is not None)


def _parts(text: str, forbidden: re.Pattern[str]) -> Iterator[_Part]:
    """Raises `Refused`."""
    at = 0
    for found in _VARIABLE.finditer(text):
        yield _Part(_plain(text, at, found.start(), forbidden), _known(found[1].strip(" \t")))
        at = found.end()
    yield _Part(_plain(text, at, len(text), forbidden), None)


def _plain(text: str, start: int, end: int, forbidden: re.Pattern[str]) -> str:
    found = forbidden.search(text, start, end)
    if found is not None:
        where = text[found.start() : found.start() + _SHOWN]
        raise Refused(
            "malformed_variable", f"a variable is written {{{{first_name}}}}: {where!r} is none",
            400,
        )  # fmt: skip
    return text[start:end]


def _known(name: str) -> str:
    if name not in VARIABLES:
        raise Refused(
            "unknown_variable",
            f"{name[:_SHOWN]!r} is no variable: there are {', '.join(VARIABLES)}", 400,
            {"variable": name[:_SHOWN]},
        )  # fmt: skip
    return name
