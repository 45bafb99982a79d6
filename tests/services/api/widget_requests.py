"""Requests of admins that read and change a widget's configuration and key."""

from typing import Any

import httpx2

from tests.services.api.site import CHAT, WIDGET_ADMIN, Site


async def change_config(site: Site, config: Any, **more: Any) -> httpx2.Response:
    body = {"propertyId": str(site.property_id), "config": config, **more}
    return await site.client.put(
        f"{WIDGET_ADMIN}/config", json=body, headers=site.console_headers(site.admin)
    )  # fmt: skip


async def read_config(site: Site) -> dict[str, Any]:
    await site.project()
    response = await site.client.get(
        f"{WIDGET_ADMIN}/config", params={"propertyId": str(site.property_id)},
        headers=site.console_headers(site.admin),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    config: dict[str, Any] = response.json()["config"]
    return config


async def issue_key(site: Site, more: dict[str, str] | None = None, **body: Any) -> httpx2.Response:
    return await site.client.post(
        f"{WIDGET_ADMIN}/regenerate-key", json={"propertyId": str(site.property_id), **body},
        headers=site.console_headers(site.admin, more),
    )  # fmt: skip


async def is_accepted(site: Site, key: str) -> bool:
    response = await site.client.post(CHAT, json={"message": "hi"}, headers={"X-API-Key": key})
    return response.status_code == 200


async def read_widget_events(site: Site) -> list[tuple[str, dict[str, Any]]]:
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT event_type, payload, actor FROM crm_events WHERE entity_type = 'widget' "
            "ORDER BY seq"
        )
    return [(row["event_type"], row["payload"] | {"actor": row["actor"]}) for row in rows]
