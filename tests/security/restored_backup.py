"""A core with a backup, and an API on the database that was restored from it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import UUID

import asyncpg
import httpx2

from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from services.api.app import create_app
from services.local_stack.postgres import Postgres, binary
from services.privacy.certificate import issue_certificate
from services.privacy.erasure_completion import complete_erasures
from services.runtime.health import collect_problems
from services.runtime.key_store import create_key_store, prepare_key_store
from services.runtime.migrations import migrate
from services.runtime.settings import Settings
from tests.conftest import GRANT_HOST_TABLES
from tests.services.api.openapi_check import check_response
from tests.services.api.site import Site

DATABASE, RESTORED, KEYS = "crm", "restored", "keys"
ROLES = "CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS"
"""Roles belong to a server: no dump of one database has them."""


async def make_core(server: Postgres, settings: Settings) -> Settings:
    """Make a database of the core and its key store ready, and return the settings."""
    server.ensure_database(DATABASE)
    await asyncio.to_thread(migrate, server.url(DATABASE))
    await create_key_store(settings)
    await prepare_key_store(settings)
    adopt = "SELECT crm.open_adoption(); UPDATE crm.adoption SET state = 'complete'"
    server.psql("-c", f"{GRANT_HOST_TABLES}; {adopt}", database=DATABASE)
    return settings


def back_up(server: Postgres, file: Path) -> None:
    subprocess.run([binary("pg_dump"), "-Fc", "-f", file, "-d", server.url(DATABASE)], check=True)


def restore(server: Postgres, file: Path) -> str:
    """Restore a dump in a new database of a server, and return its address."""
    server.ensure_database(RESTORED)
    subprocess.run(
        [binary("pg_restore"), "--exit-on-error", "-d", server.url(RESTORED), file], check=True
    )
    return server.url(RESTORED)


async def opt_out(site: Site, lead: UUID) -> None:
    """Let a lead opt out of e-mail."""
    event = ConsentWithdrawn(
        consent_id=consent_id(lead, ConsentChannel.EMAIL), lead_id=lead,
        channel=ConsentChannel.EMAIL, place="test", at=datetime.now(UTC),
    )  # fmt: skip
    await site.world.append(site.world.new(event, at=datetime.now(UTC)))


async def erase_and_certify(site: Site, pool: asyncpg.Pool, lead: UUID) -> dict[str, object]:
    """Erase a person to the end, and return the certificate."""
    response = await site.client.post(
        f"/api/privacy/leads/{lead}/erasure", json={"reason": "request 7"},
        headers=site.console_headers(site.admin),
    )  # fmt: skip
    assert response.status_code == 202, response.text
    await site.project()
    lead_ids = [UUID(text) for text in response.json()["leadIds"]]
    assert await complete_erasures(pool, datetime.now(UTC), lead_ids=lead_ids) == []
    async with pool.acquire() as conn, conn.transaction():
        return await issue_certificate(
            cast("asyncpg.Connection", conn), lead_ids, datetime.now(UTC)
        )


@dataclass(frozen=True, slots=True)
class RestoredApi:
    """An API on the restored database, as a console user of the site asks it."""

    client: httpx2.AsyncClient
    checks: dict[str, object]
    site: Site

    async def read_status(self) -> tuple[int, str | None]:
        """Return the status of a list of leads, and what /readyz says about erasures."""
        response = await self.client.get(
            "/api/leads", params={"propertyId": str(self.site.property_id)},
            headers=self.site.console_headers(),
        )  # fmt: skip
        problems = await collect_problems(self.checks)  # type: ignore[arg-type]
        if response.status_code == 503:
            assert response.headers["retry-after"]
            assert response.json()["code"] == "unavailable"
        return response.status_code, problems.get("erasures")


@asynccontextmanager
async def open_restored_api(settings: Settings, site: Site) -> AsyncIterator[RestoredApi]:
    app = create_app(settings)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=transport, base_url="http://crm", event_hooks={"response": [check_response]}
        ) as client,
    ):
        assert (await client.get("/healthz")).status_code == 200
        yield RestoredApi(client, app.state.checks, site)
