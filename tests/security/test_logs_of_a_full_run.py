"""The logs of a full run at the most verbose level: no personal value, no key, no secret."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import orjson
import pytest

from events.keys import store
from events.keys.master import WrappedKey, parse_master_keys
from events.keys.ring import context_of
from services.local_stack.stack import PROCESSES, Stack
from services.runtime.database import pooled
from services.runtime.settings import Settings
from tests.conftest import GRANT_HOST_TABLES, JWT_SECRET, until
from tests.races.processes import wait_until_level
from tests.security.byte_search import find_in_files
from tests.security.test_forgotten_person import EMAIL, TEXTS, RunningSite, spread
from tests.services.api.site import EchoResponder, Site, create_site, make_bearer_token, open_client
from tests.services.intake.processes import send
from tests.services.intake.producer_records import binary_record, engagement_data
from tests.world import World, make_world

POISON = "quokka-poison"
TOO_LONG = "quokka-long"
UNREADABLE = "quokka-unreadable"


class RunningWorld(World):
    """A world whose relay and projector run in a stack."""

    async def project(self) -> Any:
        await until(
            lambda: self.pool.fetchval("SELECT NOT EXISTS (SELECT FROM crm.staged_changes)")
        )
        await wait_until_level(self.pool)

    append_staged = project


@pytest.fixture
async def stack(home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "CRM_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRM_JWT_SECRET", JWT_SECRET)
    stack = Stack(home, http_port=0, durable=False, changes={"log_level": "debug"})
    stack.start()
    yield stack
    stack.stop()


async def cause_errors(site: Site, owner: asyncpg.Connection, settings: Settings) -> None:
    """Send personal values where each process refuses them, fails with them, or parks them."""
    headers = site.console_headers()
    for path, body in (
        ("/api/leads", f'{{"email": "{EMAIL}", '),
        ("/api/leads", orjson.dumps({"propertyId": TOO_LONG, "email": EMAIL})),
        ("/api/leads", orjson.dumps({"propertyId": str(site.property_id), "email": [TOO_LONG]})),
        (f"/api/leads/{EMAIL}/activities", b"{}"),
    ):
        response = await site.client.post(
            path, content=body, headers={**headers, "content-type": "application/json"}
        )
        assert 400 <= response.status_code < 500, response.text
    await owner.execute(f"ALTER TABLE leads ADD CHECK (notes <> '{POISON}')")
    lead = await site.create_lead(notes=POISON, email=EMAIL.replace("one", "four"))
    await until(lambda: owner.fetchval("SELECT EXISTS (SELECT FROM crm.parked)"))
    refused = [
        binary_record("engagement.recorded", engagement_data(lead, metadata=TOO_LONG),
                      site.property_id),
        binary_record("lead.captured", {"email": EMAIL, "unknown": UNREADABLE}, site.property_id),
    ]  # fmt: skip
    await send(settings, [
        (f"{UNREADABLE} {EMAIL}".encode(), [("ce_id", EMAIL.encode())]),
        *((record.value, list(record.headers)) for record in refused),
    ])  # fmt: skip
    await until(lambda: owner.fetchval("SELECT count(*) >= 3 FROM crm.dead_letters"))


async def read_secrets(owner: asyncpg.Connection, stack: Stack, site: Site) -> dict[str, bytes]:
    """Return name → bytes of all keys and secrets of the run."""
    master_keys = parse_master_keys(stack.directory.master_key())
    secrets = {
        "master key": base64.b64decode(stack.directory.master_key()),
        "token secret": JWT_SECRET.encode(), "widget key": site.key.encode(),
        "bearer token": make_bearer_token(site.manager).encode(),
        "database password": urlsplit(stack.settings.dsn).password.encode(),  # type: ignore[union-attr]
    }  # fmt: skip
    for row in await owner.fetch("SELECT * FROM crm_keys.data_keys WHERE wrapped IS NOT NULL"):
        wrapped = WrappedKey(row["wrapped"], row["master_key"])
        context = context_of(row["key_id"], row["subject_id"])
        secrets[f"data key {row['key_id']}"] = master_keys.unwrap(wrapped, context)
    for purpose in ("contact_hash", "certificate"):
        if (stored := await store.read_secret(owner, purpose)) is not None:
            secrets[purpose] = master_keys.unwrap(stored, purpose.encode())
    for row in await owner.fetch("SELECT id, key FROM crm.secret_keys"):
        secrets[f"secret key {row['id']}"] = row["key"]
    return secrets


def forms_of(secret: bytes) -> set[str]:
    """Return the texts as which bytes can be in a log."""
    texts = {secret.hex(), base64.b64encode(secret).decode(), repr(secret)[2:-1]}
    texts |= {base64.urlsafe_b64encode(secret).decode().rstrip("=")}
    return texts | ({secret.decode()} if secret.isascii() else set())


@pytest.mark.stack
async def test_the_logs_of_a_full_run_have_no_personal_value_and_no_secret(
    stack: Stack, tmp_path: Path
) -> None:
    settings = stack.settings
    owner = await asyncpg.connect(settings.dsn)
    await owner.execute(GRANT_HOST_TABLES)
    adopt = "SELECT crm.open_adoption(); UPDATE crm.adoption SET state = 'complete'"
    await owner.execute(adopt)
    async with pooled(settings, "test") as pool, open_client(stack.api_url) as client:
        world = RunningWorld(**vars(await make_world(pool)))
        site = RunningSite(**vars(await create_site(client, world, EchoResponder())))
        lead = await spread(site, owner, tmp_path)
        await cause_errors(site, owner, settings)
        response = await client.post(
            f"/api/privacy/leads/{lead}/erasure", json={"reason": "request 7"},
            headers=site.console_headers(site.admin),
        )  # fmt: skip
        assert response.status_code == 202
        await site.project()
        secrets = await read_secrets(owner, stack, site)
    await owner.close()
    assert len(secrets) > 10
    stack.stop()
    for name in PROCESSES:
        log = (stack.logs / f"{name}.log").read_text()
        assert "process.started" in log or name == "api", f"the log of {name} has lines"
    forms = {form: name for name, secret in secrets.items() for form in forms_of(secret)}
    found = find_in_files(stack.logs, [*TEXTS, POISON, TOO_LONG, UNREADABLE, *forms])
    assert {forms.get(text, text): files for text, files in found.items()} == {}
