"""What the fields of events are made of: bounded text without U+0000, instants, JSON objects.

The bounds keep every event well under the log's limit. Texts reject U+0000 and lone surrogates;
numbers and flags are never read out of strings, so the published JSON Schema is the whole truth.
"""

from datetime import date, time
from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, Strict, StringConstraints
from pydantic.json_schema import WithJsonSchema

_NO_NUL = r"^[^\x00]*$"

Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_NO_NUL)]
"""A key, slug or short label."""
Line = Annotated[str, StringConstraints(max_length=320, pattern=_NO_NUL)]
"""A name, a source, an address to reach somebody by."""
Text = Annotated[str, StringConstraints(max_length=2_000, pattern=_NO_NUL)]
"""A description, a reason, a URL."""
Body = Annotated[str, StringConstraints(max_length=20_000, pattern=_NO_NUL)]
"""A message, a note, a template."""
HostText = str
"""Text of a row the host wrote: the host's table has set its bounds already."""

Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict(), Field(ge=-(2**31), lt=2**31)]
"""An integer as PostgreSQL's `int` holds it."""
Count = Annotated[int, Strict(), Field(ge=0, lt=2**31)]
Number = Annotated[int, Strict(), Field(ge=1, lt=2**31)]
"""An integer that counts from one: a version, a revision, an attempt."""
Position = Annotated[int, Strict(), Field(ge=0, lt=2**63)]
Fold = Annotated[int, Strict(), Field(ge=0, le=1)]
"""Which of two equal local times when clocks go back: 0 the first, 1 the second."""

Day = Annotated[date, Strict()]
Instant = Annotated[AwareDatetime, Strict()]
"""A point in time; in JSON with an offset."""
Hours = Annotated[float, Strict(), Field(ge=0, le=24 * 366, allow_inf_nan=False)]
"""A delay in hours, fractions allowed."""


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is int and not -(2**63) <= value < 2**64:
        try:
            return float(value)
        except OverflowError:
            raise ValueError("a number is at most 1.8e308") from None
    if kind is float and not isfinite(value):
        raise ValueError("a number is at most 1.8e308")
    if kind is dict:
        return {name: _plain(one) for name, one in value.items()}
    if kind is list:
        return [_plain(one) for one in value]
    return value


Json = Annotated[dict[str, Any], Field(max_length=200), AfterValidator(_plain)]
"""A free JSON object, small: the log refuses an event of more than 256 KiB, where 1e300 is 301.

An integer of more than 64 bits is the nearest float, as most readers of JSON take it; PostgreSQL
writes a float such as 1e20 as an integer, so it comes back as what it was.
"""


def _local(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("a local time has no offset: its zone is a field of its own")
    return value


LocalTime = Annotated[
    time,
    Strict(),
    AfterValidator(_local),
    WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"}),
]
"""A time of day on a wall clock in a zone that the event names."""

Zone = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$")]
"""An IANA time zone by name. Whether it exists is for the decider: an event only remembers."""
