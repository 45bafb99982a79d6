"""An erased person is found nowhere: a byte search for texts that only this person has."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from events.bus.topics import Topics
from events.keys.contents import open_contents
from events.log import read
from projections.catalog import LIVE
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.local_stack.postgres import Postgres
from services.privacy.certificate import issue_certificate
from services.privacy.erasure_completion import complete_erasures
from services.runtime.clock import Clock
from services.runtime.database import pooled
from services.runtime.key_store import prepare_key_store
from services.runtime.migrations import migrate
from services.runtime.settings import Settings
from tests.conftest import GRANT_HOST_TABLES, make_settings, until
from tests.races.processes import (
    assert_live_equals_rebuilt,
    load_records,
    run_processes,
    wait_until_level,
)
from tests.security.byte_search import clean_up, dump, find_in_bytes, find_in_files
from tests.services.api.site import Site, open_site
from tests.services.intake.producer_records import binary_record, engagement_data, statuses
from tests.services.lead_import.test_import import run_import, write_csv

DATABASE = "crm"
EMAIL, IMPORTED_EMAIL = "quokka.one@example.com", "quokka.two@example.com"
TEXTS = (
    EMAIL, IMPORTED_EMAIL, "Quokkafirst", "Quokkalast", "2125550187", "quokka-lead-note",
    "quokka-chat", "quokka-activity", "quokka-meta", "quokka-tour",
    "quokka-engagement", "quokka-refused", "quokka-host", "quokka-agent",
    "quokka-message",
)  # fmt: skip
SEALED_TEXTS = {"quokka-refused", "quokka-message"}
"""Texts that no table has in clear."""
OTHER = "wombat.other@example.com"


@pytest.fixture
def server(home: Path) -> Iterator[Postgres]:
    server = Postgres(home / "postgres", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def own_settings(server: Postgres, bootstrap_servers: str, tmp_path: Path) -> Settings:
    """Return the settings of a database on a server whose files only this test writes."""
    server.ensure_database(DATABASE)
    url = server.url(DATABASE)
    await asyncio.to_thread(migrate, url)
    settings = make_settings(url, bootstrap_servers, tmp_path)
    await prepare_key_store(settings)
    adopt = "SELECT crm.open_adoption(); UPDATE crm.adoption SET state = 'complete'"
    server.psql("-c", f"{GRANT_HOST_TABLES}; {adopt}", database=DATABASE)
    return settings


@pytest.fixture
async def owner(server: Postgres, own_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(server.url(DATABASE))
    yield conn
    await conn.close()


async def post(site: Site, path: str, **body: Any) -> dict[str, Any]:
    response = await site.client.post(path, json=body, headers=site.console_headers())
    assert response.is_success, response.text
    result: dict[str, Any] = response.json()
    return result


async def spread(site: Site, owner: asyncpg.Connection, directory: Path) -> UUID:
    """Bring texts of one person into the core on every way; return its surviving lead."""
    world = site.world
    lead = await site.create_lead(
        email=EMAIL, firstName="Quokkafirst", lastName="Quokkalast", phone="(212) 555-0187",
        notes="quokka-lead-note",
    )  # fmt: skip
    chat = await site.send_chat("I am quokka-chat", leadInfo={"email": EMAIL})
    await post(site, f"/api/conversations/{chat['conversationId']}/takeover")
    await post(
        site, f"/api/conversations/{chat['conversationId']}/messages", content="quokka-agent"
    )
    await post(
        site, f"/api/leads/{lead}/activities", type="call_made", description="quokka-activity",
        metadata={"pet": "quokka-meta"},
    )  # fmt: skip
    await post(site, f"/api/leads/{lead}/send-message", channel="email", message="quokka-message")
    await site.book_tour(lead, notes="quokka-tour")
    records = [
        binary_record("engagement.recorded", engagement_data(
            lead, metadata={"page": "quokka-engagement"}), site.property_id),
        binary_record("lead.noted", {"nothing": EMAIL, "note": "quokka-refused"},
                      site.property_id),
    ]  # fmt: skip
    outcomes = await Admission(world.pool, IntakeSettings(), Clock()).admit(records)
    assert [status.split()[0] for status in statuses(outcomes)] == ["accepted", "dead"]
    line = f"a,Google,{IMPORTED_EMAIL},yes,Yes,Opened,Opened,3,chess"
    await run_import(world, await write_csv(world, directory, line))
    await site.project()
    imported = await owner.fetchval("SELECT id FROM leads WHERE email = $1", IMPORTED_EMAIL)
    await post(site, f"/api/leads/{imported}/merge", intoLeadId=str(lead))
    await owner.execute("UPDATE leads SET notes = 'quokka-host' WHERE id = $1", lead)
    await site.project()
    return lead


async def read_subjects(owner: asyncpg.Connection) -> set[UUID]:
    """Return the data subjects that the log says are erased."""
    rows = await owner.fetch("SELECT subject_id FROM crm.erased_subjects")
    return {row["subject_id"] for row in rows}


async def read_others(owner: asyncpg.Connection, person: set[UUID]) -> dict[str, list[str]]:
    """Return table → all rows that name none of the person's ids, as text."""
    names = {str(key) for key in person}
    rows = {}
    for table in LIVE.tables:
        texts = [
            row["text"] for row in await owner.fetch(
                f"SELECT t::text AS text FROM {table.live_name} t ORDER BY t::text"
            )
        ]  # fmt: skip
        rows[table.live_name] = [text for text in texts if not any(n in text for n in names)]
    return rows


CONTENTS = (
    "SELECT content FROM crm.dead_letters", "SELECT content FROM crm.intake_waiting",
    "SELECT detail FROM crm.policy_failures",
    "SELECT answer FROM crm.commands WHERE answer IS NOT NULL",
)  # fmt: skip
"""Queries of all sealed contents that are no events."""


async def read_decrypted(pool: asyncpg.Pool) -> bytes:
    """Return all events and all sealed contents, decrypted with the keys that exist."""
    rows = await pool.fetch(f"SELECT {read.COLUMNS} FROM crm_events")
    found = [repr(recorded.event).encode() for recorded in await read.decode_rows(pool, rows)]
    for query in CONTENTS:
        sealed = [row[0] for row in await pool.fetch(query)]
        found += [content or b"" for content in await open_contents(pool, sealed)]
    return b"\n".join(found)


class RunningSite(Site):
    """A site whose relay and projector run beside it."""

    async def project(self) -> None:
        await until(
            lambda: self.world.pool.fetchval("SELECT NOT EXISTS (SELECT FROM crm.staged_changes)")
        )
        await wait_until_level(self.world.pool)


@pytest.mark.stack
async def test_no_text_of_an_erased_person_is_found(
    server: Postgres, own_settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    async with pooled(own_settings, "test") as pool:
        async with open_site(own_settings, pool) as site, run_processes(own_settings):
            site = RunningSite(**vars(site))
            lead = await spread(site, owner, tmp_path)
            other = await site.create_lead(email=OTHER, notes="quiet")
            await site.send_chat("I am a wombat", "v_2", leadInfo={"email": OTHER})
            await site.project()
            await owner.execute("CHECKPOINT")
            before = find_in_files(server.data, TEXTS)
            assert before.keys() == set(TEXTS) - SEALED_TEXTS, "the search finds what is there"
            assert find_in_bytes(await read_decrypted(pool), TEXTS) >= SEALED_TEXTS
            response = await site.client.post(
                f"/api/privacy/leads/{lead}/erasure", json={"reason": "request 7"},
                headers=site.console_headers(site.admin),
            )  # fmt: skip
            assert response.status_code == 202, response.text
            erased = [UUID(text) for text in response.json()["leadIds"]]
            assert len(erased) == 2
            person = await read_subjects(owner)
            others = await read_others(owner, person)
            await site.project()
            assert await complete_erasures(pool, datetime.now(UTC)) == []
            await site.project()
            assert await read_others(owner, person) == others
            async with pooled(own_settings, "test owner", role=None) as owner_pool:
                await assert_live_equals_rebuilt(owner_pool)
            topics = Topics.of(own_settings.topic_prefix)
            records = [
                record for topic in (topics.events, topics.dead_letters)
                for record in (await load_records(own_settings, topic))[0]
            ]  # fmt: skip
        async with pool.acquire() as conn, conn.transaction():
            certificate = await issue_certificate(
                cast("asyncpg.Connection", conn), erased, datetime.now(UTC)
            )
        assert find_in_bytes(await read_decrypted(pool), [*TEXTS, OTHER]) == {OTHER}
    assert certificate["is_unreadable"]
    await clean_up(owner)
    assert find_in_files(server.directory, TEXTS) == {}
    assert find_in_bytes(dump(server, DATABASE), TEXTS) == set()
    assert records
    for record in records:
        content = (record.value or b"") + repr((record.key, record.headers)).encode()
        assert find_in_bytes(content, TEXTS) == set()
    assert find_in_bytes(dump(server, DATABASE), [OTHER]) == {OTHER}
    assert await owner.fetchval("SELECT email FROM leads WHERE id = $1", other) == OTHER
