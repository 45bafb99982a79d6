"""Dates as browsers and date pickers send them.

A text is read only if it names one day. A number is not a date: it could be seconds,
milliseconds, days of a spreadsheet or a compact date.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime

from services.deciders.decider import Refused
from services.deciders.local_time import EARLIEST_YEAR, LATEST_YEAR, load_zone

MAX_LENGTH = 200
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_FIRST = frozenset({"US", "AS", "FM", "GU", "MH", "MP", "PH", "PR", "PW", "UM", "VI"})
"""Countries that write the month before the day (CLDR, the short date of English)."""

_MONTH = r"(?P<month>jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_OFFSET = r"(?P<offset>z|gmt|utc|[+-]\d{2}:?\d{2})?"
_TIME = rf"(?:[t ]+(?P<time>\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?)\s*{_OFFSET})?"
_ISO = re.compile(rf"(?P<year>\d{{4}})([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}}){_TIME}")
_NUMERIC = re.compile(r"(\d{1,2})(?P<separator>[-/.])(\d{1,2})(?P=separator)(?P<year>\d{4})")
_WEEKDAY = r"(?:[a-z]{3,9},?\s+)?"
_NAMED_MONTH_FIRST = re.compile(
    rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})"
    r"(?P<rest>(?:\s+\d{2}:\d{2}:\d{2}\b.*)?)"
)
_NAMED_DAY_FIRST = re.compile(
    rf"{_WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?[\s-]+{_MONTH},?[\s-]+(?P<year>\d{{4}})"
    rf"{_TIME}"
)


def parse_day(value: object, country: str, zone: str | None) -> date | None:
    """Return the day that a text names; None if it names none, or if the value is no text.

    Of a text such as 6/7/2036 the country says which number is the month. An instant in UTC is a
    day in the time zone `zone`, because a date picker sends the local midnight of the day; at
    midnight in UTC it is the day as written, because other date pickers send that.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value if EARLIEST_YEAR <= value.year <= LATEST_YEAR else None
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        return None
    text = _plain(value)
    for pattern, read in _READERS:
        if match := pattern.fullmatch(text):
            try:
                day = read(match, country, zone)
            except (ValueError, OverflowError, Refused):
                return None
            return day if EARLIEST_YEAR <= day.year <= LATEST_YEAR else None
    return None


def require_day(text: str, country: str, zone: str | None) -> date:
    """Return the day as `parse_day` does. Raises `Refused` if the text names none."""
    day = parse_day(text, country, zone)
    if day is None:
        raise Refused("invalid_date", f"{text[:100]!r} is not a date: send it as YYYY-MM-DD", 400)
    return day


def _plain(text: str) -> str:
    """Return the text in lower case, with plain digits and without the marks that browsers add."""
    visible = (char for char in unicodedata.normalize("NFKC", text) if not _is_mark(char))
    digits = (str(unicodedata.digit(char)) if char.isdecimal() else char for char in visible)
    return " ".join("".join(digits).lower().split())


def _is_mark(char: str) -> bool:
    """Return whether a character is invisible: Internet Explorer adds marks of direction."""
    return unicodedata.category(char) == "Cf"


def _read_iso(match: re.Match[str], _country: str, zone: str | None) -> date:
    day = date(int(match["year"]), int(match["month"]), int(match["day"]))
    return _local_day(day, match["time"], match["offset"], zone)


def _read_numeric(match: re.Match[str], country: str, _zone: str | None) -> date:
    first, second, year = int(match[1]), int(match[3]), int(match["year"])
    # A dot is written in countries that put the day first.
    month_first = country in _MONTH_FIRST and match["separator"] != "."
    if first > len(_MONTHS) or second > len(_MONTHS):
        month_first = second > len(_MONTHS)
    return date(year, first, second) if month_first else date(year, second, first)


def _read_named(match: re.Match[str], _country: str, zone: str | None) -> date:
    day = date(int(match["year"]), _MONTHS.index(match["month"][:3]) + 1, int(match["day"]))
    groups = match.groupdict()
    return _local_day(day, groups.get("time"), groups.get("offset"), zone)


def _local_day(day: date, time: str | None, offset: str | None, zone: str | None) -> date:
    """Return the day of an instant in UTC in the zone; otherwise the day as written."""
    if time is None or offset not in ("z", "gmt", "utc", "+00:00", "+0000"):
        return day
    hours, minutes = (int(part) for part in time.split(":")[:2])
    if (hours, minutes) == (0, 0) or zone is None:
        return day
    instant = datetime(day.year, day.month, day.day, hours, minutes, tzinfo=UTC)
    return instant.astimezone(load_zone(zone)).date()


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str, str | None], date]], ...] = (
    (_ISO, _read_iso),
    (_NUMERIC, _read_numeric),
    (_NAMED_MONTH_FIRST, _read_named),
    (_NAMED_DAY_FIRST, _read_named),
)
