"""Phone numbers: read in the country of the property. Each case names the source of its rule."""

from uuid import uuid4

import asyncpg
import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat

from services.deciders.contacts import normalize_phone, phone_key
from services.deciders.decider import Refused
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.services.api.site import WIDGET_LEAD, Site
from tests.services.intake.producer_records import binary_record

E164 = "ITU-T E.164"
E123 = "ITU-T E.123 §7: (0) is dialled inside the country only"
E161 = "ITU-T E.164 annex A: 00 is the usual international prefix"
LIBRARY = "libphonenumber, isValidNumber"
EXTENSION = "RFC 3966 §5.3: an extension belongs to a switchboard, not to a person"
SPREADSHEET = "Excel and pandas write a column of numbers as decimals"

NUMBERS = [
    ("020 7946 0018", "GB", "+442079460018", True, E164),
    ("+44 (0)20 7946 0018", "US", "+442079460018", True, E123),
    ("0044 20 7946 0018", "GB", "+442079460018", True, E161),
    ("0044 20 7946 0018", "US", "+442079460018", True, E161),
    ("(212) 555-0100", "US", "+12125550100", True, E164),
    ("212.555.0100", "US", "+12125550100", True, E164),
    ("+1 212 555 0100", "GB", "+12125550100", True, E164),
    ("٠٢٠ ٧٩٤٦ ٠٠١٨", "GB", "+442079460018", True, "Unicode, decimal digits of any script"),
    ("1234567890", "US", "+11234567890", False, LIBRARY),
    ("555-555-1234", "US", "+15555551234", False, LIBRARY),
    ("9876543210", "US", "+19876543210", False, LIBRARY),
    ("000-000-0000", "US", "+10000000000", False, LIBRARY),
    ("0000", "US", "0000", False, "typed instead of a number"),
    ("555 0100", "US", "555 0100", False, "a local number without its area"),
    ("212-555-0100 x12", "US", "+12125550100 ext. 12", False, EXTENSION),
    ("212-555-0100 extension 12", "US", "+12125550100 ext. 12", False, EXTENSION),
    ("+442079460018;ext=3", "US", "+442079460018 ext. 3", False, EXTENSION),
    ("2125550100.0", "US", "+12125550100", True, SPREADSHEET),
    ("+999999999999999", "US", "+999999999999999", False, "no country has this code"),
]


@pytest.mark.parametrize(("typed", "country", "stored", "has_key", "source"), NUMBERS)
def test_a_number_is_read_in_a_country(
    typed: str, country: str, stored: str, has_key: bool, source: str
) -> None:
    assert normalize_phone(typed, country) == stored, source
    assert normalize_phone(stored, country) == stored, "a stored number stays as it is"
    assert phone_key(stored) == (stored if has_key else None), source


@pytest.mark.parametrize(
    "typed", ["1.23E+10", "1,23E+10", "2.12555e9", "call me", "12", "1" * 25, "1-800-FLOWERS"]
)
def test_a_text_that_is_no_number_is_refused(typed: str) -> None:
    with pytest.raises(Refused):
        normalize_phone(typed, "US")


def _numbers_of_all_countries() -> list[str]:
    """Return a valid number of each kind and country, and the same ones with a changed digit."""
    numbers = []
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in range(11):
            number = phonenumbers.example_number_for_type(country, kind)
            if number is not None:
                text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
                changed = text[:4] + str((int(text[4]) + 5) % 10) + text[5:]
                numbers += [text, changed, text + "1", text[:-1]]
    return numbers


async def test_the_database_decides_the_same_key_for_the_rows_of_a_host(
    pool: asyncpg.Pool,
) -> None:
    numbers = [stored for _, _, stored, _, _ in NUMBERS] + _numbers_of_all_countries()
    assert len(numbers) > 2_000
    rows = await pool.fetch(
        "SELECT number, crm.phone_key(number) AS key FROM unnest($1::text[]) AS number", numbers
    )
    differences = {
        row["number"]: row["key"] for row in rows if row["key"] != phone_key(row["number"])
    }
    assert differences == {}


async def _set_country(site: Site, country: str) -> None:
    async with site.world.pool.acquire() as conn:
        await conn.execute(
            "UPDATE properties SET address = $1 WHERE id = $2",
            {"country": country}, site.property_id,
        )  # fmt: skip


async def _phones(site: Site) -> list[str]:
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT phone FROM leads ORDER BY created_at, id")
    return [row["phone"] for row in rows]


async def test_the_widget_and_the_console_read_the_country_of_the_property(site: Site) -> None:
    await _set_country(site, "GB")
    for number, phone in enumerate(["020 7946 0018", "0044 20 7946 0018", "+44 (0)20 79460018"]):
        response = await site.client.post(
            WIDGET_LEAD, json={"phone": phone}, headers=site.widget_headers(f"v_{number}")
        )
        assert response.status_code == 200, response.text
    await site.create_lead(phone="020 7946 0019")
    assert await _phones(site) == ["+442079460018", "+442079460019"]


async def test_the_intake_reads_the_country_of_the_property(site: Site) -> None:
    await _set_country(site, "GB")
    data = {"lead_id": str(uuid4()), "email": "Ada@Example.com", "phone": "020 7946 0018"}
    record = binary_record("lead.captured", data, site.property_id)
    admission = Admission(site.world.pool, IntakeSettings(), Clock())
    for _ in range(2):
        [outcome] = await admission.admit([record])
        assert outcome.status.value in ("accepted", "duplicate"), outcome
    assert await _phones(site) == ["+442079460018"]


async def test_numbers_without_a_key_never_match(site: Site) -> None:
    for phone in ("1234567890", "1234567890", "212-555-0100 x1", "212-555-0100 x1"):
        response = await site.client.post(
            WIDGET_LEAD, json={"phone": phone}, headers=site.widget_headers(f"v_{uuid4()}")
        )
        assert response.status_code == 200, response.text
    assert len(await _phones(site)) == 4


@pytest.mark.parametrize(
    "search", ["020 7946 0018", "+44 (0)20 7946", "0044 20 7946 0018", "02079460018", "7946 0018"]
)
async def test_a_number_is_found_in_every_spelling(site: Site, search: str) -> None:
    await _set_country(site, "GB")
    lead = await site.create_lead(phone="+442079460018")
    await site.create_lead(phone="+442071239999")
    await site.project()
    response = await site.client.get(
        "/api/leads", params={"propertyId": str(site.property_id), "search": search},
        headers=site.console_headers(),
    )  # fmt: skip
    assert [row["id"] for row in response.json()["leads"]] == [str(lead)]
