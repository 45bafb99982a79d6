"""The list of console users over HTTP."""

from tests.services.api.site import Site, create_profile
from tests.world import make_world


async def test_the_console_users_of_the_organisation_are_listed(site: Site) -> None:
    await create_profile(await make_world(site.world.pool), "admin")
    response = await site.client.get("/api/agents", headers=site.console_headers(site.viewer))
    assert response.status_code == 200
    agents = response.json()["agents"]
    assert {agent["id"] for agent in agents} == {
        str(profile) for profile in (site.manager, site.viewer, site.admin)
    }
    assert {agent["role"] for agent in agents} == {"manager", "viewer", "admin"}
    assert {agent["full_name"] for agent in agents} == {"Sam"}
