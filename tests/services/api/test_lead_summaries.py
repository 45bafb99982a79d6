"""One lead over HTTP: its row, its score, its consents, and the leads merged into it."""

from uuid import UUID, uuid4

import pytest

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.event import Event
from tests.services.api.lead_requests import request_list
from tests.services.api.site import Site, create_profile
from tests.world import make_world


def make_consent(kind: type[Event], lead: UUID, site: Site) -> Event:
    return kind.model_validate({
        "consent_id": consent_id(lead, ConsentChannel.SMS), "lead_id": lead, "channel": "sms",
        "place": "widget", "at": site.world.tick(),
    })  # fmt: skip


async def test_a_lead_equals_its_row_in_the_list(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada")
    await site.project()
    response = await site.client.get(
        f"/api/leads/{lead}", headers=site.console_headers(site.viewer)
    )
    assert response.status_code == 200
    [row] = (await request_list(site)).json()["leads"]
    assert response.json() == {
        "lead": row, "erasedAt": None, "members": [str(lead)], "mergedLeads": [],
        "consents": [],
    }  # fmt: skip


async def test_the_newest_consent_of_a_channel_is_in_force(site: Site) -> None:
    lead = await site.create_lead()
    for kind in (ConsentGiven, ConsentWithdrawn):
        await site.world.append(site.world.new(make_consent(kind, lead, site)))
    await site.project()
    response = await site.client.get(f"/api/leads/{lead}", headers=site.console_headers())
    [consent] = response.json()["consents"]
    assert (consent["channel"], consent["status"], consent["place"]) == (
        "sms", "withdrawn", "widget",
    )  # fmt: skip


async def test_the_id_of_a_merged_lead_gets_the_winner_with_all_members(site: Site) -> None:
    loser, winner = await site.create_lead(firstName="Ada"), await site.create_lead()
    merged = await site.client.post(
        f"/api/leads/{loser}/merge", json={"intoLeadId": str(winner)},
        headers=site.console_headers(),
    )  # fmt: skip
    assert merged.status_code == 200
    await site.project()
    response = await site.client.get(f"/api/leads/{loser}", headers=site.console_headers())
    found = response.json()
    assert found["lead"]["id"] == str(winner)
    assert set(found["members"]) == {str(loser), str(winner)}
    assert [row["id"] for row in found["mergedLeads"]] == [str(loser)]


@pytest.mark.parametrize("path", ["", "/scores"])
async def test_a_lead_of_another_organisation_is_not_found(site: Site, path: str) -> None:
    lead = await site.create_lead()
    await site.project()
    stranger = await create_profile(await make_world(site.world.pool), "admin")
    for key, profile in ((lead, stranger), (uuid4(), site.manager)):
        response = await site.client.get(
            f"/api/leads/{key}{path}", headers=site.console_headers(profile)
        )
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
