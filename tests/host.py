"""A host platform for tests: tables and rows from before the core, and other code that writes."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg

from migrations.scripts import FOLDER, statements
from projections.catalog import LIVE
from projections.engine.rebuild import Rebuild
from projections.engine.shadow_fold import make_log_fold
from services.adoption import adoption
from services.runtime.migrations import migrate
from tests.conftest import with_database
from tests.world import World, read_parked_reasons

LONG_AGO = datetime(2024, 5, 1, 9, tzinfo=UTC)
HOST_COLUMNS = {
    "leads": (
        "property_id, source, first_name, last_name, email, phone, status, created_at, company"
    ),
    "conversations": "lead_id, property_id, channel, created_at",
    "messages": "conversation_id, role, content, created_at",
}
"""The columns of each table before the core was installed, without the key."""


@asynccontextmanager
async def database(server_url: str, template: str | None = None) -> AsyncIterator[str]:
    """Create an empty database, or a copy of the database at the address `template`."""
    name = f"crm_host_{uuid4().hex[:12]}"
    conn = await asyncpg.connect(server_url)
    source = f" TEMPLATE {urlsplit(template).path[1:]}" if template else ""
    await conn.execute(f"CREATE DATABASE {name}{source}")
    yield with_database(server_url, name)
    await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await conn.close()


async def make_tables(conn: asyncpg.Connection) -> None:
    """Create the host's tables; `leads` has one column that the core does not know."""
    for statement in statements((FOLDER / "0001_host.sql").read_text()):
        await conn.execute(statement)
    await conn.execute("ALTER TABLE leads ADD COLUMN company text NOT NULL DEFAULT 'none'")


@dataclass
class HostPlatform:
    """One organisation of the host with two properties, and what its other code has written.

    `leads` and `conversations` are the ids that later writes change. `notes` and
    `message_contents` are the values that must be in the tables at the end. The words of a lead's
    notes have no order, because two connections can write at the same time.
    """

    org_id: UUID = field(default_factory=uuid4)
    properties: list[UUID] = field(default_factory=lambda: [uuid4(), uuid4()])
    leads: list[UUID] = field(default_factory=list)
    conversations: list[UUID] = field(default_factory=list)
    notes: defaultdict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))
    message_contents: dict[UUID, str] = field(default_factory=dict)

    async def insert_rows(self, conn: asyncpg.Connection, rows: int) -> None:
        """Insert the organisation, and `rows` leads, conversations and messages."""
        await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", self.org_id)
        await conn.executemany(
            "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Maple Court')",
            [(key, self.org_id) for key in self.properties],
        )
        leads, conversations = [uuid4() for _ in range(rows)], [uuid4() for _ in range(rows)]
        at = [LONG_AGO + timedelta(minutes=7 * number) for number in range(rows)]
        property_ids = [self.properties[number % 2] for number in range(rows)]
        await conn.executemany(
            "INSERT INTO leads (id, property_id, source, first_name, last_name, email, phone, "
            "status, created_at, company) VALUES ($1, $2, $3, $4, 'O''Neil', $5, $6, $7, $8, $9)",
            [
                (key, property_ids[n], ["Google", None, 'the "old" site'][n % 3], f"Ada {n} 🏠",
                 f"lead{n // 2}@example.com", None if n % 3 else f"+1512555{n % 10_000:04}",
                 ["new", "contacted", "leased", "lost"][n % 4], at[n], f"c{n}")
                for n, key in enumerate(leads)
            ],
        )  # fmt: skip
        await conn.executemany(
            "INSERT INTO conversations (id, lead_id, property_id, channel, created_at) "
            "VALUES ($1, $2, $3, $4, $5)",
            [
                (
                    key,
                    leads[n] if n % 5 else None,
                    property_ids[n],
                    ["widget", "sms", "email"][n % 3],
                    at[n],
                )
                for n, key in enumerate(conversations)
            ],
        )
        await conn.executemany(
            "INSERT INTO messages (conversation_id, role, content, created_at) "
            "VALUES ($1, $2, $3, $4)",
            [
                (conversations[n - n % 3], ["user", "assistant"][n % 2], f"message {n}", at[n])
                for n in range(rows)
            ],
        )
        self.leads += leads
        self.conversations += conversations

    async def write_rows(self, conn: asyncpg.Connection, turns: int, seed: int) -> None:
        """Insert rows and edit rows, as other code of the host does."""
        randomness = random.Random(seed)
        for turn in range(turns):
            await self._write_once(conn, randomness, f"{seed}.{turn}")

    async def _write_once(
        self, conn: asyncpg.Connection, randomness: random.Random, word: str
    ) -> None:
        share = randomness.random()
        conversation = randomness.choice(self.conversations)
        # Several connections often write the first six leads at the same time.
        lead = randomness.choice(self.leads[: randomness.choice([6, None])])
        if share < 0.25:
            await self._insert_lead(conn, randomness)
        elif share < 0.5:
            status = randomness.choice(["new", "contacted", "leased", "lost"])
            await conn.execute("UPDATE leads SET status = $2 WHERE id = $1", lead, status)
        elif share < 0.8:
            self.notes[lead].append(word)
            await conn.execute(
                "UPDATE leads SET last_name = $3, notes = coalesce(notes, '') || $2 WHERE id = $1",
                lead, word + " ", word,
            )  # fmt: skip
        elif share < 0.9:
            await conn.execute("UPDATE conversations SET is_human_mode = NOT is_human_mode "
                               "WHERE id = $1", conversation)  # fmt: skip
        else:
            key = uuid4()
            await conn.execute("INSERT INTO messages (id, conversation_id, role, content) "
                               "VALUES ($1, $2, 'user', 'a')", key, conversation)  # fmt: skip
            await conn.execute("UPDATE messages SET content = content || 'b' WHERE id = $1", key)
            self.message_contents[key] = "ab"

    async def _insert_lead(self, conn: asyncpg.Connection, randomness: random.Random) -> None:
        """Insert a lead with a conversation and a message in one transaction; then edit it."""
        lead, conversation = uuid4(), uuid4()
        property_id = randomness.choice(self.properties)
        async with conn.transaction():
            await conn.execute(
                "INSERT INTO leads (id, property_id, source, email) VALUES ($1, $2, 'Meta', $3)",
                lead, property_id, f"{lead}@example.com",
            )  # fmt: skip
            await conn.execute(
                "INSERT INTO conversations (id, lead_id, property_id) VALUES ($1, $2, $3)",
                conversation, lead, property_id,
            )  # fmt: skip
            await conn.execute(
                "INSERT INTO messages (conversation_id, role, content) VALUES ($1, 'user', 'hi')",
                conversation,
            )  # fmt: skip
        await conn.execute("UPDATE leads SET notes = 'first ' WHERE id = $1", lead)
        self.notes[lead].append("first")
        self.leads.append(lead)
        self.conversations.append(conversation)

    def world(self, pool: asyncpg.Pool) -> World:
        return World(pool, self.org_id, self.properties)


async def install_core(url: str) -> None:
    await asyncio.to_thread(migrate, url)


def ignore_progress(_table: str, _more: int) -> None: ...


async def adopt_all(host: HostPlatform, pool: asyncpg.Pool) -> None:
    """Adopt all rows and apply their events to the tables."""
    await adoption.adopt(pool, ignore_progress)
    assert await adoption.mark_complete(pool)
    await host.world(pool).project()


def rebuild_of(pool: asyncpg.Pool) -> Rebuild:
    return Rebuild(pool, LIVE, LIVE, make_log_fold(pool), lambda *_: None)


async def assert_live_equals_rebuilt(pool: asyncpg.Pool) -> None:
    assert await read_parked_reasons(pool) == []
    verification = await rebuild_of(pool).verify()
    assert verification.equal, [
        str(difference) for table in verification.comparisons for difference in table.differences
    ]


async def own_columns(conn: Any) -> dict[str, dict[UUID, tuple[Any, ...]]]:
    """Read the host's own columns of every row: table → key → values."""
    return {
        table: {
            row[0]: tuple(row) for row in await conn.fetch(f"SELECT id, {columns} FROM {table}")
        }
        for table, columns in HOST_COLUMNS.items()
    }
