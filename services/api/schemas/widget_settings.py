"""What settings of a widget are made of: colours, addresses, origins, days, hours."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.json_schema import WithJsonSchema

from events.fields import Text
from services.api.auth.origins import origin_of
from services.api.schemas.schema import Sent
from services.deciders.business_hours import CLOCK

DAY_MINUTES = 24 * 60
T = TypeVar("T")


def _once_each(values: Sequence[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _web_address(text: str) -> str:
    said = text.strip()
    parts = urlsplit(said)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address begins with https:// or http://")
    if any(mark in "<>\"'`\\" or not mark.isprintable() or mark.isspace() for mark in said):
        raise ValueError("an address has no spaces, quotes or brackets: escape them")
    return said


Color = Annotated[str, Field(pattern=r"^#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$")]
"""As CSS writes it: #RGB or #RRGGBB."""
WebAddress = Annotated[Text, AfterValidator(_web_address)]
Origin = Annotated[
    str, Field(max_length=320), AfterValidator(origin_of),
    WithJsonSchema({"type": "string", "examples": ["https://www.alder.example"]}),
]  # fmt: skip
Origins = Annotated[list[Origin], Field(max_length=100), AfterValidator(_once_each)]
Days = Annotated[
    list[date], Field(max_length=400), AfterValidator(lambda days: tuple(sorted(set(days))))
]
WallClock = Annotated[str, Field(pattern=f"^{CLOCK}$", examples=["09:00"])]
Minutes = Annotated[int, Field(strict=True, ge=0, le=DAY_MINUTES)]


class DayHours(Sent):
    """From when to when, on the property's wall clock; an end before its start is the next day's,
    one that equals it makes a whole day."""

    model_config = ConfigDict(extra="forbid")

    start: WallClock
    end: WallClock


class WeekHours(Sent):
    """When somebody is there, by weekday; null, or left out, is closed."""

    model_config = ConfigDict(extra="forbid")

    monday: DayHours | None = None
    tuesday: DayHours | None = None
    wednesday: DayHours | None = None
    thursday: DayHours | None = None
    friday: DayHours | None = None
    saturday: DayHours | None = None
    sunday: DayHours | None = None
