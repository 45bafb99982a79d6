"""E-mail addresses: stored as typed, compared by a key. Each case names the source of its rule."""

import asyncpg
import pytest

from services.deciders.contacts import email_key, normalize_email
from services.deciders.decider import Refused
from tests.services.api.site import WIDGET_LEAD, Site

UTS46 = "UTS #46 §4, non-transitional processing"
MAILBOX = "RFC 6531 §3.3: a local part in UTF-8 is the mailbox's own name"
LOWER = "de facto: no mail provider has two mailboxes that differ in case only"
JUNK = "typed instead of an address"

KEYS = [
    ("Ada@Example.COM", "ada@example.com", LOWER),
    ("INFO@straße.example", "info@straße.example", UTS46),
    ("info@STRASSE.example", "info@strasse.example", UTS46),
    ("info@xn--strae-oqa.example", "info@straße.example", UTS46),
    ("info@ＡＢＣ.example", "info@abc.example", UTS46),
    ("νίκος@example.gr", "νίκος@example.gr", MAILBOX),
    ("ΝΊΚΟΣ@example.gr", "νίκος@example.gr", LOWER),
    ("νίκοσ@example.gr", "νίκοσ@example.gr", MAILBOX),
    ("großmann@example.de", "großmann@example.de", MAILBOX),
    ("grossmann@example.de", "grossmann@example.de", MAILBOX),
    ("jose\u0301@example.com", "josé@example.com", "UAX #15, NFC"),
    ("ada+tours@example.com", "ada+tours@example.com", "RFC 5233: a subaddress"),
    ("test@example.com", None, JUNK), ("TEST+1@example.com", None, JUNK),
    ("no-reply@example.com", None, JUNK), ("0000@example.com", None, JUNK),
    ("undefined@example.com", None, "ECMA-262, ToString of undefined"),
    ("ada@none.com", None, JUNK), ("ada@host.invalid", None, "RFC 2606 §2"),
    ("testa@example.com", "testa@example.com", "not junk"),
    ("", None, JUNK), ("not an address", None, JUNK),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "key", "source"), KEYS)
def test_an_address_is_compared_by_its_key(typed: str, key: str | None, source: str) -> None:
    assert email_key(typed) == key, source


@pytest.mark.parametrize(
    "typed",
    [typed for typed, key, _ in KEYS if key and typed.isascii() and "xn--" not in typed]
    + [typed for typed, key, _ in KEYS if not key],
)
async def test_the_database_decides_the_same_key_for_the_rows_of_a_host(
    pool: asyncpg.Pool, typed: str
) -> None:
    assert await pool.fetchval("SELECT crm.email_key($1)", typed) == email_key(typed)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Ada@Example.COM ", "Ada@Example.COM"), ("INFO@Straße.example", "INFO@Straße.example"),
        ("νίκος@example.gr", "νίκος@example.gr"), ("jose\u0301@example.com", "josé@example.com"),
        ("", None), (None, None),
    ],
)  # fmt: skip
def test_an_address_is_stored_as_typed(typed: str | None, stored: str | None) -> None:
    assert normalize_email(typed) == stored
    assert normalize_email(stored) == stored


@pytest.mark.parametrize("text", ["ada", "ada@", "@example.com", "a@b@c.example", "a b@c.example"])
def test_a_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="not an e-mail address"):
        normalize_email(text)


SAME_LEAD = [
    ("Ada@Example.com", "ada@EXAMPLE.com", True),
    ("info@straße.example", "info@strasse.example", False),
    ("info@straße.example", "Info@XN--STRAE-OQA.example", True),
    ("großmann@example.de", "grossmann@example.de", False),
    ("test@example.com", "test@example.com", False),
]


@pytest.mark.parametrize(("first", "second", "is_same"), SAME_LEAD)
async def test_leads_match_on_the_key_and_keep_the_address(
    site: Site, first: str, second: str, is_same: bool
) -> None:
    for number, address in enumerate((first, second)):
        response = await site.client.post(
            WIDGET_LEAD, json={"email": address}, headers=site.widget_headers(f"v_{number}")
        )
        assert response.status_code == 200, response.text
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT email FROM leads ORDER BY created_at, id")
    assert [row["email"] for row in rows] == ([first] if is_same else [first, second])
