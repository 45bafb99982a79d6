"""The field types of widget settings: colours, addresses, origins, days and hours."""

from collections.abc import Sequence
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.json_schema import WithJsonSchema

from events.fields import Text
from services.api.auth.origins import normalize_origin
from services.api.schemas.schema import IsoDay, RequestModel
from services.deciders.local_time import CLOCK

DAY_MINUTES = 24 * 60
T = TypeVar("T")


def _remove_duplicates(values: Sequence[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _check_web_address(text: str) -> str:
    address = text.strip()
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the address does not begin with https:// or http://: send the whole one")
    if any(
        character in "<>\"'`\\" or not character.isprintable() or character.isspace()
        for character in address
    ):
        raise ValueError("the address contains a space, quote or bracket: percent-encode it")
    return address


Color = Annotated[str, Field(pattern=r"^#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$")]
"""A colour of CSS: #RGB or #RRGGBB."""
WebAddress = Annotated[Text, AfterValidator(_check_web_address)]
Origin = Annotated[
    str, Field(max_length=320), AfterValidator(normalize_origin),
    WithJsonSchema({"type": "string", "examples": ["https://www.alder.example"]}),
]  # fmt: skip
Origins = Annotated[list[Origin], Field(max_length=100), AfterValidator(_remove_duplicates)]
Days = Annotated[
    list[IsoDay], Field(max_length=400), AfterValidator(lambda days: tuple(sorted(set(days))))
]
LocalMinute = Annotated[str, Field(pattern=f"^{CLOCK}$", examples=["09:00"])]
TakenPlaces = Annotated[int, Field(strict=True, ge=0, le=10_000)]
"""The number of places that somebody may take."""
Minutes = Annotated[int, Field(strict=True, ge=0, le=DAY_MINUTES)]


class DayHours(RequestModel):
    """Opening hours of a day in the property's local time.

    An end before the start is on the next day. An end equal to the start means 24 hours.
    """

    model_config = ConfigDict(extra="forbid")

    start: LocalMinute
    end: LocalMinute


class WeekHours(RequestModel):
    """Opening hours by weekday. A weekday that is null or missing is closed."""

    model_config = ConfigDict(extra="forbid")

    monday: DayHours | None = None
    tuesday: DayHours | None = None
    wednesday: DayHours | None = None
    thursday: DayHours | None = None
    friday: DayHours | None = None
    saturday: DayHours | None = None
    sunday: DayHours | None = None
