"""Attacks on contact data: who knows an address or a number must not change or take over a lead."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.services.api.site import CHAT, WIDGET_LEAD, Site
from tests.services.api.tour_requests import at, book

VICTIM = {"firstName": "Ada", "email": "ada@example.com", "phone": "+12125550100"}
ATTACK = {"firstName": "Eve", "lastName": "Evil", "moveInDate": "2036-01-01"}


async def leave_contact(site: Site, visitor: str, **body: Any) -> str:
    """Leave contact details in a new session of a visitor; return the session."""
    session = body.pop("sessionId", None) or str(uuid4())
    response = await site.client.post(
        WIDGET_LEAD, json={"sessionId": session, **body}, headers=site.widget_headers(visitor)
    )
    assert response.status_code == 200, response.text
    return str(session)


async def read_leads(site: Site) -> dict[str | None, Any]:
    """Return the leads of the property by their e-mail address."""
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT * FROM leads")
    return {row["email"]: row for row in rows}


async def read_notes(site: Site, lead: UUID) -> list[str]:
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT description FROM lead_activities WHERE lead_id = $1 AND type = 'note' "
            "ORDER BY created_at",
            lead,
        )
    return [row["description"] for row in rows]


async def by_form(site: Site, session: str, details: dict[str, Any]) -> int:
    response = await site.client.post(
        WIDGET_LEAD, json={"sessionId": session, **details}, headers=site.widget_headers("v_eve")
    )
    return response.status_code


async def by_chat(site: Site, session: str, details: dict[str, Any]) -> int:
    response = await site.client.post(
        CHAT, json={"message": "hi", "sessionId": session, "leadInfo": details},
        headers=site.widget_headers("v_eve"),
    )  # fmt: skip
    return response.status_code


async def by_booking(site: Site, session: str, details: dict[str, Any]) -> int:
    body = {**at("10:00"), "sessionId": session, "leadInfo": details}
    return (await book(site, body, visitor="v_eve")).status_code


@pytest.mark.parametrize("attack", [by_form, by_chat, by_booking])
async def test_a_stranger_with_the_address_fills_only_what_is_empty(
    site: Site, attack: Any
) -> None:
    """A repetition in the same session changes nothing either: the link proves nothing."""
    await leave_contact(site, "v_ada", **VICTIM)
    session = str(uuid4())
    details = {**ATTACK, "email": "ADA@example.com", "phone": "+12125550199"}
    for _ in range(2):
        assert await attack(site, session, details) in (200, 201)
    (lead,) = (await read_leads(site)).values()
    assert (lead["first_name"], lead["email"], lead["phone"]) == tuple(VICTIM.values())
    assert lead["last_name"] == "Evil", "an empty detail is filled"
    notes = await read_notes(site, lead["id"])
    assert any("First name: Eve" in note and "Phone: +12125550199" in note for note in notes)


async def test_the_session_that_created_the_lead_may_correct_it(site: Site) -> None:
    session = await leave_contact(site, "v_ada", **VICTIM)
    await leave_contact(site, "v_ada", sessionId=session, **{**VICTIM, "firstName": "Augusta"})
    (lead,) = (await read_leads(site)).values()
    assert lead["first_name"] == "Augusta"
    assert await read_notes(site, lead["id"]) == []


@pytest.mark.parametrize("steps", [1, 2])
async def test_an_address_is_not_attached_to_a_lead_by_its_phone_number(
    site: Site, steps: int
) -> None:
    """In two steps the session is linked by the number first, and then names its address."""
    await leave_contact(site, "v_ada", firstName="Ada", phone=VICTIM["phone"])
    session = str(uuid4())
    if steps == 2:
        await leave_contact(site, "v_eve", sessionId=session, phone=VICTIM["phone"])
    phone = {"phone": VICTIM["phone"]} if steps == 1 else {}
    await leave_contact(site, "v_eve", sessionId=session, email="eve@example.com", **phone)
    leads = await read_leads(site)
    assert leads.keys() == {None, "eve@example.com"}
    assert leads[None]["first_name"] == "Ada"
    await leave_contact(site, "v_x", phone=VICTIM["phone"], lastName="Lovelace")
    assert (await read_leads(site))[None]["last_name"] == "Lovelace", "the number stays Ada's"


async def test_the_own_session_may_add_an_address_to_its_lead(site: Site) -> None:
    session = await leave_contact(site, "v_ada", firstName="Ada", phone=VICTIM["phone"])
    await leave_contact(site, "v_ada", sessionId=session, email=VICTIM["email"])
    assert (await read_leads(site)).keys() == {VICTIM["email"]}


async def test_the_session_of_the_victim_cannot_be_used(site: Site) -> None:
    session = await leave_contact(site, "v_ada", **VICTIM)
    response = await site.client.post(
        WIDGET_LEAD, json={"sessionId": session, **ATTACK, "email": VICTIM["email"]},
        headers=site.widget_headers("v_eve"),
    )  # fmt: skip
    assert response.status_code == 404
    (lead,) = (await read_leads(site)).values()
    assert (lead["first_name"], lead["last_name"]) == ("Ada", None)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Ada\nBcc: x@example.com", "Ada Bcc: x@example.com"),  # RFC 5322 2.2: header injection
        ("Ada\u2028\u2029Lovelace", "Ada Lovelace"),  # Unicode 5.8: line separators
        ("\u202eadA\u202c", "adA"),  # UAX 9 2.2: override
        ("\u2067Ada\u2069", "Ada"),  # UAX 9 2.4: isolate
        ("\u200fשלום\u200e", "שלום"),
        ("A\u0007d\u009fa", "A d a"),  # ISO 6429: C0 and C1 controls
        ("J.R. O'Neil-de\u00a0Vries", "J.R. O'Neil-de Vries"),
        ("👩\u200d🚀 Ada", "👩\u200d🚀 Ada"),  # UTS 51: a joiner inside an emoji
        ("x" * 100, "x" * 100),
        ("St.John", "St.John"),
        ("x" * 101, None),
        ("Win at http://evil.example", None),
        ("www.evil.example", None),
        ("Claim your prize: evil.com", None),
        ("EVIL.COM", None),
        ("bit.ly/2x", None),
        ("//evil.example", None),
        ("javascript:alert(1)", None),
    ],
)
async def test_a_name_is_short_and_has_no_control_characters_and_no_link(
    site: Site, name: str, stored: str | None
) -> None:
    """The table gives the source of each rule; None is a name that is refused."""
    body = {"propertyId": str(site.property_id), "firstName": name, "email": VICTIM["email"]}
    created = await site.client.post("/api/leads", json=body, headers=site.console_headers())
    if stored is None:
        assert (created.status_code, created.json()["code"]) == (400, "invalid_name")
        return
    assert created.json()["lead"]["first_name"] == stored
    changed = await site.client.patch(
        "/api/leads", json={"leadId": created.json()["lead"]["id"], "lastName": name},
        headers=site.console_headers(),
    )  # fmt: skip
    assert changed.json()["lead"]["last_name"] == stored


@pytest.mark.parametrize("leave", [by_form, by_chat, by_booking])
async def test_a_name_with_a_link_is_not_stored_and_the_visitor_is_kept(
    site: Site, leave: Any
) -> None:
    details = {"firstName": "Win at http://evil.example", "lastName": "Love\u202elace"}
    assert await leave(site, str(uuid4()), {**details, "email": VICTIM["email"]}) in (200, 201)
    (lead,) = (await read_leads(site)).values()
    assert (lead["first_name"], lead["last_name"]) == (None, "Lovelace")
    assert any("evil.example" in note for note in await read_notes(site, lead["id"]))
