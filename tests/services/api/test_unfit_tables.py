"""Writes while the host's tables cannot hold the core's rows: refused, and nothing is appended."""

import asyncpg
import pytest

from services.runtime import table_fit
from tests.services.api.example_requests import create_examples, credentials, send_example
from tests.services.api.openapi_check import operations
from tests.services.api.site import Site

STATEMENT = "ALTER TABLE public.leads ALTER COLUMN company DROP NOT NULL"
WITHOUT_EVENT = {"POST /api/leadpulse/score", "POST /api/lumaleasing/chat/stream-tickets"}
"""Operations that append no event, although they are no GET."""


async def test_every_write_is_refused_until_the_statement_of_its_message_is_run(
    site_in_process: Site, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_in_process
    monkeypatch.setattr(table_fit, "FIT_SECONDS", 0.0)
    monkeypatch.setattr(table_fit, "UNFIT_SECONDS", 0.0)
    ids = await create_examples(site)
    await site.project()
    await owner_pool.execute("ALTER TABLE leads ADD COLUMN company text NOT NULL DEFAULT 'none'")
    await owner_pool.execute("ALTER TABLE leads ALTER COLUMN company DROP DEFAULT")
    before = await site.world.count("crm_events")
    refused = set()
    for operation in operations():
        if operation.method == "GET" or operation.name in WITHOUT_EVENT:
            continue
        for body in operation.example_bodies.values():
            response = await send_example(site, operation, body, ids, credentials(site, operation))
            assert response.status_code == 503, (operation.name, response.text)
            assert response.json()["code"] == "unfit_tables"
            assert int(response.headers["Retry-After"]) > 0
            is_shown = STATEMENT in response.json()["error"]
            assert is_shown is bool(operation.roles), "only the console reads the statement"
            refused.add(operation.name)
    assert len(refused) > 20
    assert await site.world.count("crm_events") == before
    await owner_pool.execute(STATEMENT)
    await site.create_lead()
    await site.project()


async def test_a_start_on_unfit_tables_refuses_the_first_write(
    site_in_process: Site, owner_pool: asyncpg.Pool
) -> None:
    """The process has no result of the check yet."""
    await owner_pool.execute("ALTER TABLE messages ALTER COLUMN role DROP NOT NULL")
    response = await site_in_process.client.post(
        "/api/leads",
        json={"propertyId": str(site_in_process.property_id), "firstName": "Ada"},
        headers=site_in_process.console_headers(),
    )
    assert (response.status_code, response.json()["code"]) == (503, "unfit_tables")
    assert "public.messages.role can be empty" in response.json()["error"]
