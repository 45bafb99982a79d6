"""Types of event fields: bounded text without U+0000, numbers, instants, JSON objects.

The bounds keep events below the size limit of the log. Texts reject U+0000 and lone surrogates.
Numbers and flags are not parsed from strings, so the published JSON Schema is exact.
"""

from dataclasses import dataclass
from datetime import date, time
from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, Strict, StringConstraints
from pydantic.json_schema import WithJsonSchema

_NO_NUL = r"^[^\x00]*$"


@dataclass(frozen=True, slots=True)
class NotPersonal:
    """A mark of a text or JSON field that is stored in clear, with the reason.

    Every text and JSON field of an event has this mark or `Personal`.
    """

    reason: str


Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_NO_NUL)]
"""A key, slug or short label."""
Key = Annotated[Word, NotPersonal("A key that the core, or staff for all leads, defines.")]
"""A key that no visitor, lead or producer writes."""
Line = Annotated[str, StringConstraints(max_length=320, pattern=_NO_NUL)]
"""A name, a source, an e-mail address or a phone number."""
Text = Annotated[str, StringConstraints(max_length=2_000, pattern=_NO_NUL)]
"""A description, a reason, a URL."""
Body = Annotated[str, StringConstraints(max_length=20_000, pattern=_NO_NUL)]
"""A message, a note, a template."""
VisitorHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""The keyed hash of a visitor id."""
HostText = str
"""Text from a row of the host, without bounds: only the host's table limits it."""

Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict(), Field(ge=-(2**31), lt=2**31)]
"""An integer in the range of PostgreSQL's `int`."""
Count = Annotated[int, Strict(), Field(ge=0, lt=2**31)]
Number = Annotated[int, Strict(), Field(ge=1, lt=2**31)]
"""An integer that starts at one: a version, a revision, an attempt."""
Position = Annotated[int, Strict(), Field(ge=0, lt=2**63)]
Fold = Annotated[int, Strict(), Field(ge=0, le=1)]
"""The first (0) or second (1) of two equal local times when clocks are set back."""

Day = Annotated[date, Strict()]
Instant = Annotated[AwareDatetime, Strict()]
"""A point in time; in JSON with an offset."""
Hours = Annotated[float, Strict(), Field(ge=0, le=24 * 366, allow_inf_nan=False)]
"""A delay in hours, with fractions."""


def _storable(value: Any) -> Any:
    """Return the value with large integers as floats. Raises `ValueError` for infinite numbers."""
    kind = type(value)
    if kind is int and not -(2**63) <= value < 2**64:
        try:
            return float(value)
        except OverflowError:
            raise ValueError("a number is larger than 1.8e308: send a smaller one") from None
    if kind is float and not isfinite(value):
        raise ValueError("a number is larger than 1.8e308: send a smaller one")
    if kind is dict:
        return {name: _storable(item) for name, item in value.items()}
    if kind is list:
        return [_storable(item) for item in value]
    return value


Json = Annotated[dict[str, Any], Field(max_length=200), AfterValidator(_storable)]
"""A JSON object with any content. The log limits its size; 1e300 counts as 301 bytes.

An integer of more than 64 bits becomes the nearest float, as in most JSON parsers. PostgreSQL
returns a float such as 1e20 as an integer, so this conversion also restores the stored value.
"""


def _check_local(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("a local time has no offset: send the zone in its own field")
    return value


LocalTime = Annotated[
    time,
    Strict(),
    AfterValidator(_check_local),
    WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"}),
]
"""A time of day in the time zone that the event contains."""

Zone = Annotated[
    str,
    StringConstraints(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$"),
    NotPersonal("The name of a time zone, in which very many people live."),
]
"""An IANA time zone name. The decider checks that it exists."""
