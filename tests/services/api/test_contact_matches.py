"""Tests of the route that finds other leads with the same contact details."""

from uuid import UUID, uuid4

from events.leads import LeadCaptured
from services.api.routes.contact_matches import MAX_MATCHES
from tests.services.api.lead_requests import request_list
from tests.services.api.site import Site, create_profile
from tests.world import make_world

PHONE = "+12125550123"


async def find_matches(site: Site, lead: UUID, **contact: str) -> list[dict[str, object]]:
    response = await site.client.get(
        f"/api/leads/{lead}/contact-matches", params=contact,
        headers=site.console_headers(site.viewer),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    leads: list[dict[str, object]] = response.json()["leads"]
    return leads


async def find_ids(site: Site, lead: UUID, **contact: str) -> list[str]:
    return [str(row["id"]) for row in await find_matches(site, lead, **contact)]


async def test_leads_with_the_own_phone_are_rows_of_the_list(site: Site) -> None:
    first, second, third = [
        await site.create_lead(firstName="Ada", phone=phone)
        for phone in (PHONE, "(212) 555-0123", "+12125550124")
    ]
    await site.project()
    rows = {row["id"]: row for row in (await request_list(site)).json()["leads"]}
    assert await find_matches(site, first) == [rows[str(second)]]
    assert await find_matches(site, second) == [rows[str(first)]]
    assert await find_matches(site, third) == []


async def test_a_contact_is_compared_as_a_whole_and_as_it_is_stored(site: Site) -> None:
    other = await site.create_lead(email="Ada@Example.com", phone=PHONE)
    lead = await site.create_lead(firstName="Ada")
    await site.project()
    for contact in ({"phone": "212 555 0123"}, {"email": "ada@example.COM"}):
        assert await find_ids(site, lead, **contact) == [str(other)]
    for contact in ({"phone": "+1212555"}, {"email": "example.com"}, {"phone": f"{PHONE} ext. 7"}):
        assert await find_ids(site, lead, **contact) == []
    assert await find_ids(site, lead) == []


async def test_a_contact_that_identifies_nobody_has_no_matches(site: Site) -> None:
    details = {"email": "none@none.com", "phone": "000000"}
    lead, _ = [await site.create_lead(firstName=name, **details) for name in ("Ada", "Eve")]
    await site.project()
    assert await find_ids(site, lead) == []


async def test_a_merged_lead_is_found_as_its_winner(site: Site) -> None:
    loser, winner, lead = [
        await site.create_lead(firstName="Ada", phone=phone)
        for phone in (PHONE, "+12125550124", "+12125550125")
    ]
    merged = await site.client.post(
        f"/api/leads/{loser}/merge", json={"intoLeadId": str(winner)},
        headers=site.console_headers(),
    )  # fmt: skip
    assert merged.status_code == 200
    await site.project()
    assert await find_ids(site, lead, phone=PHONE) == [str(winner)]
    assert await find_ids(site, loser, phone=PHONE) == []


async def test_a_shared_number_has_a_bounded_number_of_matches(site: Site) -> None:
    leads = [await site.create_lead(firstName="Ada", phone=PHONE) for _ in range(MAX_MATCHES + 3)]
    await site.project()
    found = await find_ids(site, leads[0])
    assert len(set(found)) == MAX_MATCHES
    assert str(leads[0]) not in found


async def test_leads_of_another_organisation_are_not_found(site: Site) -> None:
    lead = await site.create_lead(phone=PHONE)
    stranger = await make_world(site.world.pool)
    other = LeadCaptured(lead_id=uuid4(), source="Website", phone=PHONE)
    await stranger.append(stranger.new(other))
    await site.project()
    assert await find_ids(site, lead) == []
    profile = await create_profile(stranger, "admin")
    for key, reader in ((lead, profile), (uuid4(), site.manager)):
        response = await site.client.get(
            f"/api/leads/{key}/contact-matches", headers=site.console_headers(reader)
        )
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
