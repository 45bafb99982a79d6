"""Dates as browsers and date pickers send them. Each case names where the form comes from."""

from datetime import date
from typing import Any
from uuid import uuid4

import orjson
import pytest

from events import codec
from services.api.schemas.visitor_details import MAX_UNREAD_LENGTH
from services.deciders.dates import parse_day
from tests.services.api.lead_requests import change_lead
from tests.services.api.site import WIDGET_LEAD, WIDGET_TOURS, Site
from tests.services.api.tour_requests import at

ISO = "HTML, input type=date"
INSTANT = "ECMA-262, Date.prototype.toISOString"
STRING = "ECMA-262, Date.prototype.toString"
LOCALE = "ECMA-402, Date.prototype.toLocaleDateString"
NUMBER = "a number is not a date"
US, DE = ("US", "America/Chicago"), ("DE", "Europe/Berlin")

READ = [
    ("2036-06-01", US, ISO), ("2036/6/1", US, "jQuery UI, yy/mm/dd"), ("2036.06.01", DE, LOCALE),
    ("2036-06-01T00:00", US, "HTML, input type=datetime-local"),
    ("2036-06-01T00:00:00.000Z", US, "a date picker in UTC: new Date('2036-06-01')"),
    ("2036-06-01T05:00:00.000Z", US, INSTANT), ("2036-05-31T22:00:00.000Z", DE, INSTANT),
    ("2036-06-01T00:00:00-05:00", US, "moment().format()"),
    ("06/01/2036", US, LOCALE), ("6/1/2036", US, LOCALE), ("01/06/2036", DE, LOCALE),
    ("1.6.2036", DE, LOCALE), ("1.6.2036", US, LOCALE),
    ("\u200e6\u200e/\u200e1\u200e/\u200e2036", US, "Internet Explorer 11, toLocaleDateString"),
    ("٢٠٣٦-٠٦-٠١", US, "Unicode, decimal digits of any script"),
    ("June 1, 2036", US, LOCALE), ("Jun 1, 2036", US, LOCALE), ("1 June 2036", DE, LOCALE),
    ("01-Jun-2036", US, "flatpickr, d-M-Y"), ("1st June 2036", DE, "typed by a visitor"),
    ("Sun Jun 01 2036", US, "ECMA-262, Date.prototype.toDateString"),
    ("Sun Jun 01 2036 00:00:00 GMT-0500 (Central Daylight Time)", US, STRING),
    ("Sun, 01 Jun 2036 05:00:00 GMT", US, "ECMA-262, Date.prototype.toUTCString"),
]  # fmt: skip
UNREAD: list[tuple[Any, str]] = [
    (1717200000, NUMBER), ("1717200000", NUMBER), ("1717200000000", NUMBER), ("20360601", NUMBER),
    (44927.5, NUMBER), ("44927", NUMBER), (True, NUMBER), ([2036, 6, 1], NUMBER),
    ("2036-06", "HTML, input type=month: no day"), ("2036-W23", "HTML, input type=week: no day"),
    ("06/01/36", "the century is not known"), ("2036-02-30", "no day of the calendar"),
    ("31/31/2036", "no day of the calendar"), ("0001-01-01", "before 2000"), ("soon", "no date"),
    ("2036-06-01" + " " * 200, "too long"), ("Invalid Date", STRING),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "source"), READ)
def test_a_form_that_browsers_send_is_read(text: str, place: tuple[str, str], source: str) -> None:
    assert parse_day(text, *place) == date(2036, 6, 1), source


def test_the_country_says_which_number_is_the_month() -> None:
    assert parse_day("06/07/2036", *US) == date(2036, 6, 7)
    assert parse_day("06/07/2036", *DE) == date(2036, 7, 6)
    assert parse_day("25/12/2036", *US) == parse_day("12/25/2036", *DE) == date(2036, 12, 25)


@pytest.mark.parametrize(("value", "source"), UNREAD)
def test_a_value_that_names_no_day_is_not_read(value: Any, source: str) -> None:
    assert parse_day(value, *US) is None, source


@pytest.mark.parametrize("value", ["1717200000", "1717200000000", "44927", "5.5"])
def test_a_producer_sends_no_number_for_a_date(value: str) -> None:
    payload = {"lead_id": str(uuid4()), "move_in_date": value}
    with pytest.raises(ValueError, match="number is not a date"):
        codec.decode_from_producer("lead.captured", 2, payload)
    payload["move_in_date"] = "2036-06-01"
    codec.decode_from_producer("lead.captured", 2, payload)


UNREADABLE: list[tuple[str, Any]] = [
    ("moveInDate", "next summer"), ("moveInDate", 1717200000), ("moveInDate", {"year": 2036}),
    ("move_in_date", "06/01/36"), ("bedroomPreference", [1, 2]), ("bedroomPreference", {"min": 1}),
    ("phone", "call me"), ("phone", "1.23E+10"), ("phone", 2125550100), ("firstName", 7),
    ("lastName", "see http://x.example"), ("firstName", "x" * 400), ("notes", ["a dog"]),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), UNREADABLE)
@pytest.mark.parametrize("wrapped", [False, True])
async def test_an_optional_detail_that_cannot_be_read_becomes_a_note(
    site: Site, field: str, value: Any, wrapped: bool
) -> None:
    details = {"email": "ada@example.com", field: value}
    body = {"leadInfo": details} if wrapped else details
    response = await site.client.post(WIDGET_LEAD, json=body, headers=site.widget_headers())
    assert response.status_code == 200, response.text
    [note] = await _note_texts(site)
    shown = value if isinstance(value, str) else orjson.dumps(value).decode()
    assert note.endswith(f", could not be read: {shown[:MAX_UNREAD_LENGTH]}")


async def test_a_phone_number_is_a_contact_when_the_e_mail_address_cannot_be_read(
    site: Site,
) -> None:
    body = {"email": "ada at example.com", "phone": "212 555 0100", "sessionId": "undefined"}
    response = await site.client.post(WIDGET_LEAD, json=body, headers=site.widget_headers())
    assert response.status_code == 200, response.text
    assert "ada at example.com" in (await _note_texts(site))[0]
    del body["phone"]
    response = await site.client.post(WIDGET_LEAD, json=body, headers=site.widget_headers())
    assert (response.status_code, response.json()["code"]) == (400, "invalid_email")


async def test_a_booking_and_a_chat_keep_the_visitor_too(site: Site) -> None:
    info = {"email": "ada@example.com", "phone": "call me"}
    booking = await site.client.post(
        WIDGET_TOURS, json={**at("10:00"), "leadInfo": {**info, "moveInDate": 5}},
        headers=site.widget_headers(),
    )  # fmt: skip
    assert booking.status_code == 201, booking.text
    await site.send_chat("hello", visitor="v_2", leadInfo={**info, "email": "eve@example.com"})
    notes = await _note_texts(site)
    assert ["call me" in note for note in notes] == [True, True]


async def test_the_console_reads_the_same_forms_and_refuses_others(site: Site) -> None:
    await site.create_lead(moveInDate="6/1/2036")
    lead = await site.create_lead()
    changed = await change_lead(site, lead, moveInDate="June 1, 2036")
    assert changed.json()["lead"]["move_in_date"] == "2036-06-01"
    for value in ("next summer", "1717200000"):
        refused = await change_lead(site, lead, moveInDate=value)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_date")
    for number in (1717200000, 5.5):
        assert (await change_lead(site, lead, moveInDate=number)).status_code == 400


@pytest.mark.parametrize("value", [1717200000, "1717200000", 44927])
async def test_a_number_is_not_the_date_of_a_tour(site: Site, value: Any) -> None:
    lead = await site.create_lead()
    response = await site.client.post(
        f"/api/leads/{lead}/tours", json={"tourDate": value, "tourTime": "14:00"},
        headers=site.console_headers(),
    )  # fmt: skip
    assert response.status_code == 400, response.text
    response = await site.client.get(
        WIDGET_TOURS, params={"startDate": value}, headers=site.widget_headers()
    )
    assert response.status_code == 400, response.text


async def _note_texts(site: Site) -> list[str]:
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT description FROM lead_activities WHERE type = 'note' ORDER BY created_at, id"
        )
    return [row["description"] for row in rows]
