"""Dates of exports as instants: formats, zones, and dates that do not exist."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from services.lead_import.dates import check_format, read_day, read_instant
from services.lead_import.proposal_dates import propose_format

NEW_YORK = ZoneInfo("America/New_York")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


READ = [
    ("2026-03-01T12:00:00Z", "iso", utc(2026, 3, 1, 12)),
    ("2024-05-01T14:33:10.000+0000", "iso", utc(2024, 5, 1, 14, 33, 10)),  # Salesforce
    ("2026-03-01 12:00", "iso", utc(2026, 3, 1, 17)),  # local: UTC-5 before the change
    ("2026-03-10 12:00", "iso", utc(2026, 3, 10, 16)),  # UTC-4 after it
    ("2026-03-01", "iso", utc(2026, 3, 1, 5)),  # a day begins at midnight
    ("03/10/2026 01:30 PM", "%m/%d/%Y %I:%M %p", utc(2026, 3, 10, 17, 30)),  # Yardi
    ("10.03.2026", "%d.%m.%Y", utc(2026, 3, 10, 4)),
    ("2026-03-10 13:30 +0100", "%Y-%m-%d %H:%M %z", utc(2026, 3, 10, 12, 30)),
    ("1772366400", "epoch", utc(2026, 3, 1, 12)),
    ("1772366400000", "epoch_ms", utc(2026, 3, 1, 12)),  # HubSpot's API
    ("46082.5", "excel", utc(2026, 3, 1, 17)),  # a spreadsheet's days since 1899-12-30
    ("2026-11-01 01:30", "iso", utc(2026, 11, 1, 5, 30)),  # the first of two such times
    ("1990-01-01T00:00:00Z", "iso", utc(1990, 1, 1)),  # the first instant that is accepted
]  # fmt: skip
REFUSED = [
    ("yesterday", "iso", "not a date of the form iso"),
    ("13/31/2026", "%m/%d/%Y", "not a date"),
    ("2026-03-08 02:30", "iso", "does not exist in America/New_York"),
    ("1900-01-01", "iso", "before 1990"),
    ("1989-12-31T23:59:59Z", "iso", "before 1990"),
    ("0", "excel", "before 1990"),
    ("1e300", "epoch", "not a date"),
    ("nan", "epoch_ms", "not a date"),
]
PROPOSED = [
    (["2026-01-02", "2026-01-03T10:00:00Z"], {}, ""),
    (["01/02/2026", "01/31/2026"], {"format": "%m/%d/%Y"}, ""),
    (["01/02/2026", "03/04/2026"], {"format": "%m/%d/%Y"}, "Month or day first"),
    (["31/01/2026 10:00"], {"format": "%d/%m/%Y %H:%M"}, ""),
    (["31.01.2026"], {"format": "%d.%m.%Y"}, ""),
    (["1772366400000"], {"format": "epoch_ms"}, ""),
    (["46082.5"], {"format": "excel"}, ""),
    (["03/31/2025 09:30 AM", "03/02/2025"], {"format": ["%m/%d/%Y %I:%M %p", "%m/%d/%Y"]}, ""),
    (["02/03/2025", "31/03/2025"], {"format": "%d/%m/%Y"}, ""),
    (["soon"], {}, "is unknown"),
    ([], {}, "No value"),
]


@pytest.mark.parametrize(("text", "form", "expected"), READ)
def test_a_date_is_an_instant(text: str, form: str, expected: datetime) -> None:
    assert read_instant(text, (form,), NEW_YORK) == expected


@pytest.mark.parametrize(("text", "form", "words"), REFUSED)
def test_a_date_that_cannot_be_right_is_refused(text: str, form: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_instant(text, (form,), NEW_YORK)


def test_a_day_whose_midnight_the_clock_change_skips_is_an_instant() -> None:
    havana = ZoneInfo("America/Havana")
    assert read_instant("2026-03-08", ("iso",), havana) == utc(2026, 3, 8, 5)
    with pytest.raises(ValueError, match="does not exist in America/Havana"):
        read_instant("2026-03-08 00:30", ("iso",), havana)


@pytest.mark.parametrize("form", ["iso", "epoch", "epoch_ms", "excel", "%d.%m.%Y"])
def test_a_format_is_a_name_or_a_pattern(form: str) -> None:
    assert check_format(form) == form


def test_the_first_format_that_fits_counts() -> None:
    forms = ("%m/%d/%Y %H:%M", "%m/%d/%Y")
    assert read_day("03/10/2026", forms) == date(2026, 3, 10)
    with pytest.raises(ValueError, match="is not a date format"):
        check_format("YYYY-MM-DD")


@pytest.mark.parametrize(("values", "parts", "remark"), PROPOSED)
def test_a_format_is_proposed_from_the_values(
    values: list[str], parts: dict[str, object], remark: str
) -> None:
    proposed, comment = propose_format(values)
    assert proposed == parts
    assert (remark in comment) if remark else not comment
