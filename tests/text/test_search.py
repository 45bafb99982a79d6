"""Unicode: names survive, and search ignores accents, case and the shape of quotes."""

import unicodedata

import asyncpg
import pytest

from tests.services.api.site import Site

NFC = "UAX #15: NFC and NFD of a text are the same text"
ACCENTS = "CLDR collation at primary strength ignores accents"
QUOTES = "keyboards of phones write typographic quotes"
CASE = "UTS #10: case is a tertiary difference"
STROKES = "UCA: letters with a stroke are searched by their base letter"
INVISIBLE = "UAX #9 and UAX #14: characters that control direction or joining"

FOUND = [
    ("José", "jose", ACCENTS), ("José", "JOSE\u0301", NFC), ("Jose\u0301", "josé", NFC),
    ("Zoë", "zoe", ACCENTS), ("ZOË", "zoë", CASE), ("Nguyễn", "nguyen", ACCENTS),
    ("O’Neil", "o'neil", QUOTES), ("O'Neil", "O’Neil", QUOTES), ("Oʻahu", "o'ahu", QUOTES),
    ("D`Arcy", "d’arcy", QUOTES), ("“Bob” Lee", '"bob"', QUOTES), ("Anne–Marie", "anne-m", QUOTES),
    ("Łukasz", "lukasz", STROKES), ("Søren", "soren", STROKES), ("Großmann", "grossmann", STROKES),
    ("ГРИГОРИЙ", "григорий", CASE), ("Ήρα", "ηρα", ACCENTS), ("ΝΊΚΟΣ", "νίκος", CASE),
    ("Ｊｏｈｎ", "john", "UAX #15: compatibility forms"), ("مُحَمَّد", "محمد", ACCENTS),
    ("שָׁלוֹם", "שלום", ACCENTS), ("Zoë 👩‍🚀", "👩‍🚀", "an emoji is a character"),
    ("김철수", "철수", NFC), ("がく", "がく", NFC), ("Ada\u200fLace", "adalace", INVISIBLE),
]  # fmt: skip
NOT_FOUND = [
    ("José", "josef"), ("がく", "かく"), ("김철수", "김철숙"), ("O'Neil", "oneil"),
    ("Ada", "adá b"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "searched", "source"), FOUND)
async def test_a_name_is_found(pool: asyncpg.Pool, name: str, searched: str, source: str) -> None:
    query = "SELECT strpos(crm_api.search_form($1), crm_api.search_form($2)) > 0"
    assert await pool.fetchval(query, name, searched), source
    assert await pool.fetchval(query, unicodedata.normalize("NFD", name), searched), source


@pytest.mark.parametrize(("name", "searched"), NOT_FOUND)
async def test_another_name_is_not_found(pool: asyncpg.Pool, name: str, searched: str) -> None:
    query = "SELECT strpos(crm_api.search_form($1), crm_api.search_form($2)) > 0"
    assert not await pool.fetchval(query, name, searched)


async def test_the_form_does_not_depend_on_the_locale_of_the_database(
    pool: asyncpg.Pool,
) -> None:
    """In the collation C, PostgreSQL's `lower` converts ASCII only."""
    for name, searched, source in FOUND:
        row = await pool.fetchrow(
            'SELECT crm_api.search_form($1 COLLATE "C") AS form, '
            'strpos(crm_api.search_form($1 COLLATE "C"), crm_api.search_form($2 COLLATE "C"))',
            name, searched,
        )  # fmt: skip
        assert row is not None
        assert row["strpos"] > 0, source


@pytest.mark.parametrize(
    "name",
    ["Zoë 👩‍🚀", "مریم", "עדה", "김철수", "Nguyễn", "ΝΊΚΟΣ", "Ḥafṣa", "José", "𝔸da"],
)
async def test_a_name_survives_from_the_request_to_the_list(site: Site, name: str) -> None:
    for form in ("NFC", "NFD"):
        await site.create_lead(firstName=unicodedata.normalize(form, name))
    await site.project()
    response = await site.client.get(
        "/api/leads",
        params={"propertyId": str(site.property_id), "search": unicodedata.normalize("NFD", name)},
        headers=site.console_headers(),
    )
    stored = unicodedata.normalize("NFC", name)
    assert [row["first_name"] for row in response.json()["leads"]] == [stored, stored]
