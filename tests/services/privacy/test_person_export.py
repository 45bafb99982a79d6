"""The export of a person: every row of it, of merged leads too, and of nobody else."""

import json
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from events.leads import LeadNoted
from events.merges import LeadMerged
from events.privacy import ExportFormat
from services.privacy import person_export
from services.privacy.documents import DOCUMENTS, read_log
from services.privacy.person_export import find_person, snapshot_engine
from services.privacy.person_page import show
from services.privacy.person_tables import PERSON_TABLES
from tests.replay_determinism.delivery import FROM_LOG, make_bus
from tests.replay_determinism.history import COMMON, start_history
from tests.replay_determinism.property import HistoryStep
from tests.replay_determinism.steps import STEPS
from tests.world import World, make_world

ATTACK = "<script>alert('x')</script><img src=//evil.example/x onerror=\"a()\"> & {{ 7*7 }}"


async def read_document(
    engine: AsyncEngine, world: World, lead_id: UUID, export_format: ExportFormat
) -> str:
    write = DOCUMENTS[export_format].write
    async with snapshot_engine(engine).begin() as conn, read_log(world.pool) as log:
        person = await find_person(conn, world.org_id, lead_id)
        assert person is not None
        parts = [part async for part in write(conn, log, person, world.now)]
    return b"".join(parts).decode()


async def read_json(engine: AsyncEngine, world: World, lead_id: UUID) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        await read_document(engine, world, lead_id, ExportFormat.JSON)
    )
    return document


async def test_the_rows_of_all_persons_together_are_all_rows_with_a_lead(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, engine: AsyncEngine
) -> None:
    """Every table has rows after a history of all events, and each row is in one export."""
    writer = await start_history(pool, owner_pool)
    await writer.append_steps([
        HistoryStep(action, 0, number, number + 1, 2)
        for number in range(12) for action in (*COMMON, *sorted(STEPS))
    ])  # fmt: skip
    await (await make_bus(pool)).deliver(FROM_LOG)
    exported: dict[str, list[str]] = {name: [] for name in PERSON_TABLES}
    tops = await pool.fetch("SELECT id FROM leads WHERE merged_into IS NULL")
    async with snapshot_engine(engine).begin() as conn:
        for top in tops:
            person = await find_person(conn, writer.org_id, top["id"])
            assert person is not None
            for name, table in PERSON_TABLES.items():
                async for row in person_export.read_rows(conn, person, table):
                    exported[name].append(str(row[table.derived.key]))
    for name, table in PERSON_TABLES.items():
        stored = await pool.fetch(
            f"SELECT {table.derived.key} AS key FROM {table.derived.live_name} t WHERE "
            + OF_A_LEAD.get(name, "lead_id IS NOT NULL")
        )
        assert exported[name], name
        assert sorted(exported[name]) == sorted(str(row["key"]) for row in stored), name


OF_A_LEAD = {
    "leads": "true",
    "messages": "EXISTS (SELECT FROM conversations c WHERE c.id = conversation_id AND "
    "(c.lead_id IS NOT NULL OR EXISTS (SELECT FROM widget_sessions s "
    "WHERE s.id = c.widget_session_id AND s.lead_id IS NOT NULL)))",
    "conversations": "lead_id IS NOT NULL OR EXISTS (SELECT FROM widget_sessions s "
    "WHERE s.id = widget_session_id AND s.lead_id IS NOT NULL)",
    "workflow_actions": "true",
}
"""Table → the condition that a row belongs to a lead, where that is not its column `lead_id`."""


async def test_merged_leads_are_exported_under_each_of_their_ids(
    pool: asyncpg.Pool, engine: AsyncEngine
) -> None:
    world = await make_world(pool)
    loser, winner = world.captured(), world.captured(email="eve@example.com")
    await world.append(world.new(loser), world.new(winner))
    await world.append(*map(world.new, world.chat(loser.lead_id, messages=2)))
    await world.append(world.new(LeadMerged(loser_id=loser.lead_id, winner_id=winner.lead_id)))
    await world.append(world.new(world.captured(email="other@example.com")))
    await world.project()
    first, second = [await read_json(engine, world, key.lead_id) for key in (loser, winner)]
    assert first == second
    assert first["lead_id"] == str(winner.lead_id)
    assert {row["id"] for row in first["tables"]["leads"]} == set(first["lead_ids"])
    assert [row["content"] for row in first["tables"]["messages"]] == ["hello 0", "hello 1"]


async def test_a_score_is_explained_in_words(pool: asyncpg.Pool, engine: AsyncEngine) -> None:
    world = await make_world(pool)
    lead = world.captured()
    await world.append(world.new(lead))
    await world.project()
    [score] = (await read_json(engine, world, lead.lead_id))["tables"]["lead_scores"]
    assert score["in_words"].startswith(f"{score['total_score']} of 100, {score['score_bucket']}: ")
    assert all(f"{part['factor']} {part['impact']}" in score["in_words"]
               for part in score["factors"])  # fmt: skip


async def test_columns_of_the_host_are_exported(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, engine: AsyncEngine
) -> None:
    world = await make_world(pool)
    lead = world.captured()
    await world.append(world.new(lead))
    await world.project()
    async with owner_pool.acquire() as conn:
        await conn.execute('ALTER TABLE leads ADD COLUMN pet jsonb DEFAULT \'{"name": "Rex"}\'')
    [row] = (await read_json(engine, world, lead.lead_id))["tables"]["leads"]
    assert row["pet"] == {"name": "Rex"}


async def test_a_long_history_is_read_in_pages_of_one_snapshot(
    pool: asyncpg.Pool, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person_export, "PAGE_ROWS", 2)
    world = await make_world(pool)
    lead = world.captured()
    await world.append(world.new(lead))
    await world.append(*map(world.new, world.chat(lead.lead_id, messages=7)))
    await world.project()
    async with snapshot_engine(engine).begin() as conn:
        person = await find_person(conn, world.org_id, lead.lead_id)
        assert person is not None
        await world.append(*map(world.new, world.chat(lead.lead_id)))
        await world.project()
        rows = [row async for row in
                person_export.read_rows(conn, person, PERSON_TABLES["messages"])]  # fmt: skip
    assert [row["content"] for row in rows] == [f"hello {number}" for number in range(7)]


class PageReader(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


async def test_the_page_shows_every_value_and_escapes_it(
    pool: asyncpg.Pool, engine: AsyncEngine
) -> None:
    world = await make_world(pool)
    lead = world.captured(first_name=ATTACK, notes=ATTACK, source=ATTACK)
    await world.append(world.new(lead))
    await world.append(*map(world.new, world.chat(lead.lead_id)))
    await world.append(world.new(LeadNoted(lead_id=lead.lead_id, note=ATTACK)))
    await world.project()
    page = PageReader()
    page.feed(await read_document(engine, world, lead.lead_id, ExportFormat.HTML))
    assert page.elements == {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "dl", "dt", "dd",
    }  # fmt: skip
    assert page.attributes == {"lang", "charset", "http-equiv", "content", "name"}
    texts = set(page.texts)
    assert ATTACK in texts
    assert f"Data of {ATTACK}" in texts
    document = await read_json(engine, world, lead.lead_id)
    for rows in document["tables"].values():
        for row in rows:
            shown = {
                show(value)
                for value in row.values()
                if isinstance(value, str | bool | dict | list) and not _is_instant(value)
            }
            assert shown <= texts | {""}


def _is_instant(value: object) -> bool:
    return isinstance(value, str) and value.endswith("Z")
