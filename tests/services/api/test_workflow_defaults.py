"""Default workflow definitions and templates, over HTTP."""

import asyncio

from tests.services.api.site import Site
from tests.services.api.workflow_requests import (
    DEFINITIONS,
    SEED,
    TEMPLATES,
    create_template,
    list_rows,
    post,
)


async def test_defaults_are_created_once_inactive_and_replace_nothing(
    site: Site,
) -> None:
    own = await create_template(site, "new-lead-welcome", body="Ours")
    body = {"propertyId": str(site.property_id)}
    first, second = await asyncio.gather(*(post(site, SEED, body) for _ in range(2)))
    counts = sorted(
        (response.json()["definitionsCreated"], response.json()["templatesCreated"])
        for response in (first, second)
    )
    assert counts == [(0, 0), (3, 16)]
    definitions, templates = await list_rows(site), await list_rows(site, TEMPLATES)
    assert {row["name"] for row in definitions} == {
        "New Lead Nurture", "Tour No-Show Recovery", "Post-Tour Follow-Up",
    }  # fmt: skip
    assert not any(row["is_active"] for row in definitions)
    assert all(row["seeded"] for row in definitions)
    assert [row["slug"] for row in templates if row["is_active"]] == ["new-lead-welcome"]
    assert own in templates
    changed = await site.client.patch(
        f"{DEFINITIONS}/{definitions[0]['id']}",
        json={"name": "Ours"},
        headers=site.console_headers(),
    )
    assert changed.json()["definition"]["seeded"] is False
    before = await site.read_event_types()
    again = (await post(site, SEED, body)).json()
    assert (again["definitionsCreated"], again["templatesCreated"]) == (0, 0)
    assert await site.read_event_types() == before
    assert "Ours" in {row["name"] for row in await list_rows(site)}
