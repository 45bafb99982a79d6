"""Dates and times in the columns of a file, read as instants or as calendar days."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from events.log.limits import EARLIEST

_EXCEL_START = datetime(1899, 12, 30)  # noqa: DTZ001 — a local time: the column's zone follows
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NAMED_FORMATS: dict[str, Callable[[str], datetime]] = {
    "iso": datetime.fromisoformat,
    "epoch": lambda text: _EPOCH + timedelta(seconds=float(text)),
    "epoch_ms": lambda text: _EPOCH + timedelta(milliseconds=float(text)),
    "excel": lambda text: _EXCEL_START + timedelta(days=round(float(text) * 86_400) / 86_400),
}
"""Formats besides the patterns of `strptime`: ISO 8601, seconds, milliseconds, days of Excel."""


def check_format(text: str) -> str:
    """Return the format unchanged; raise `ValueError` if no date can be read with it."""
    if text not in NAMED_FORMATS and "%" not in text:
        names = ", ".join(NAMED_FORMATS)
        raise ValueError(f"{text!r} is not a date format: use {names} or a pattern like %d.%m.%Y")
    return text


def read_instant(text: str, formats: tuple[str, ...], zone: ZoneInfo) -> datetime:
    """Return the instant in UTC; a local time is one of `zone`, a day begins at midnight.

    Raise `ValueError` if no format fits, if the local time does not exist, or before 1990.
    """
    local, has_time = _read(text, formats)
    if local.tzinfo is not None:
        instant = local.astimezone(UTC)
    else:
        instant = local.replace(tzinfo=zone).astimezone(UTC)
        if has_time and instant.astimezone(zone).replace(tzinfo=None) != local:
            raise ValueError(f"{text!r} does not exist in {zone.key}: clocks were set forward")
    if instant < EARLIEST:
        raise ValueError(f"{text!r} is before {EARLIEST.year}")
    return instant


def read_day(text: str, formats: tuple[str, ...]) -> date:
    """Return the calendar day of a date, whatever its time; raise `ValueError`."""
    return _read(text, formats)[0].date()


def _read(text: str, formats: tuple[str, ...]) -> tuple[datetime, bool]:
    for form in formats:
        try:
            if form in NAMED_FORMATS:
                value = NAMED_FORMATS[form](text)
            else:
                value = datetime.strptime(text, form)  # noqa: DTZ007 — the column's zone follows
        except (ValueError, OverflowError):
            continue
        return value, value.time() != time(0)
    raise ValueError(f"{text!r} is not a date of the form {' or '.join(formats)}")
