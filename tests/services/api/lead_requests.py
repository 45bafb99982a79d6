"""Requests that create, list and change leads."""

from typing import Any
from uuid import UUID

import httpx2

from tests.services.api.site import Site

PEOPLE = (
    ("Ada", "Lovelace", "ada@example.com", "2125550100", "Google"),
    ("grace", "Hopper", "grace@example.com", "2125550101", "Referral"),
    ("Mei", "Lin", "mei_lin@example.com", "2125550102", "Google"),
    ("José", "García", "jose@example.com", "2125550103", "100% organic"),
)


async def create_people(site: Site) -> list[UUID]:
    leads = [
        await site.create_lead(
            firstName=first, lastName=last, email=email, phone=phone, source=source
        )
        for first, last, email, phone, source in PEOPLE
    ]
    await site.project()
    return leads


async def request_list(site: Site, profile_id: UUID | None = None, **query: Any) -> httpx2.Response:
    params = {"propertyId": str(site.property_id), **query}
    return await site.client.get(
        "/api/leads", params=params, headers=site.console_headers(profile_id)
    )


async def list_names(site: Site, **query: Any) -> list[str]:
    response = await request_list(site, **query)
    assert response.status_code == 200, response.text
    return [lead["first_name"] for lead in response.json()["leads"]]


async def change_lead(
    site: Site, lead: UUID, profile_id: UUID | None = None, **fields: Any
) -> httpx2.Response:
    body = {"leadId": str(lead), **fields}
    return await site.client.patch(
        "/api/leads", json=body, headers=site.console_headers(profile_id)
    )
