"""The format of the dates of a column, proposed from its first values."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from services.lead_import.dates import read_instant

UTC_ZONE = ZoneInfo("UTC")
_MONTH_FIRST = ("%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S",
                "%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y")  # fmt: skip
_DAY_FIRST = tuple(form.replace("%m", "%-").replace("%d", "%m").replace("%-", "%d")
                   for form in _MONTH_FIRST)  # fmt: skip
FORMATS = (
    "iso", *_MONTH_FIRST, *_DAY_FIRST, "%Y-%m-%d %I:%M %p", "%Y/%m/%d %H:%M", "%Y/%m/%d",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d.%m.%y", "%b %d, %Y %I:%M %p",
    "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d-%b-%Y", "%a %b %d %Y",
)  # fmt: skip
"""The formats that are tried, in this order."""
_NUMBERS = (("epoch_ms", 9e11, 9e12), ("epoch", 6e8, 9e9), ("excel", 32_874.0, 73_415.0))
"""Format → the least and the greatest number that is such a date between 1990 and 2100."""


def propose_format(values: Sequence[str]) -> tuple[dict[str, str | list[str]], str]:
    """Return the keys of a date column besides `column`, and what must be checked, if anything."""
    if not values:
        return {}, "No value in the first records: the format of the date is unknown."
    if number := _number_format(values):
        return {"format": number}, ""
    forms, left = _cover(FORMATS, values)
    if left:
        forms, left = _cover(_DAY_FIRST, values)
    if left:
        return {}, f"The format of {left[0]!r} is unknown: add format = a pattern of strptime."
    if forms == ["iso"]:
        return {}, ""
    parts: dict[str, str | list[str]] = {"format": forms if len(forms) > 1 else forms[0]}
    if set(forms) <= set(_MONTH_FIRST) and not _cover(_DAY_FIRST, values)[1]:
        return parts, "Month or day first? Both fit: check it, or exchange %m and %d."
    return parts, ""


def _cover(family: Sequence[str], values: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the formats that are needed for the values, and the values that none of them fits.

    Formats with the month first are never mixed with those that have the day first.
    """
    forms: list[str] = []
    left = list(values)
    for form in family:
        is_other_order = form in _DAY_FIRST and any(used in _MONTH_FIRST for used in forms)
        unfit = left if is_other_order else [value for value in left if not _fits(form, value)]
        if len(unfit) < len(left):
            forms.append(form)
            left = unfit
    return forms, left


def _fits(form: str, value: str) -> bool:
    try:
        read_instant(value, (form,), UTC_ZONE)
    except ValueError:
        return False
    return True


def _number_format(values: Sequence[str]) -> str | None:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return None
    for form, least, greatest in _NUMBERS:
        if all(least <= number <= greatest for number in numbers):
            return form
    return None
