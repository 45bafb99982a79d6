"""Numbers over very many rows are remembered for a short time, others are always read."""

import pytest

from services.api import remembered_numbers
from services.api.numbers_memory import KEPT_SECONDS, MAX_RESPONSES, NumbersMemory
from tests.services.api.site import Site, create_profile
from tests.world import make_world

FUNNEL = "/api/leadpulse/funnel"


async def count_leads(site: Site, **headers: str) -> int:
    response = await site.client.get(
        FUNNEL, params={"propertyId": str(site.property_id)},
        headers=site.console_headers(site.viewer, headers),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    return sum(row["leads"] for row in response.json()["sources"])


async def test_few_rows_are_always_read(site: Site) -> None:
    for expected in (1, 2):
        await site.create_lead()
        await site.project()
        assert await count_leads(site) == expected


async def test_many_rows_are_read_again_only_with_a_consistency_token(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered_numbers, "MANY_ROWS", 0)
    await site.create_lead()
    await site.project()
    assert await count_leads(site) == 1
    response = await site.client.post(
        "/api/leads", json={"propertyId": str(site.property_id), "firstName": "Eve"},
        headers=site.console_headers(),
    )  # fmt: skip
    await site.project()
    assert await count_leads(site) == 1
    assert await count_leads(site, **{"X-CRM-Token": response.headers["X-CRM-Token"]}) == 2
    assert await count_leads(site) == 1 + 1


async def test_remembered_numbers_are_of_one_organisation(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered_numbers, "MANY_ROWS", -1)
    assert await count_leads(site) == 0
    other = await create_profile(await make_world(site.world.pool), "admin")
    response = await site.client.get(
        FUNNEL, params={"propertyId": str(site.property_id)}, headers=site.console_headers(other)
    )
    assert response.status_code == 404


def test_a_response_is_forgotten_after_its_time_and_if_there_are_too_many() -> None:
    memory = NumbersMemory()
    memory.keep("a", b"1", 100.0)
    assert memory.find("a", 100.0 + KEPT_SECONDS / 2) == (b"1", KEPT_SECONDS / 2)
    assert memory.find("a", 100.0 + KEPT_SECONDS) is None
    for number in range(MAX_RESPONSES):
        memory.keep(number, b"", 100.0)
    assert memory.find("a", 100.0) is None
    assert memory.find(0, 100.0) == (b"", 0.0)
