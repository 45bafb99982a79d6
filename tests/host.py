"""A host platform that was there before the core: its own tables with rows, and its other code."""

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
from projections.engine.refold import folding_log
from services.adoption import adoption
from services.runtime.migrations import migrate
from tests.conftest import with_database
from tests.world import World, parked_reasons

LONG_AGO = datetime(2024, 5, 1, 9, tzinfo=UTC)
OWN = {
    "leads": (
        "property_id, source, first_name, last_name, email, phone, status, created_at, company"
    ),
    "conversations": "lead_id, property_id, channel, created_at",
    "messages": "conversation_id, role, content, created_at",
}
"""The columns each table had before the core came, but for the key."""


@asynccontextmanager
async def database(server_url: str, template: str | None = None) -> AsyncIterator[str]:
    """An empty database, or a copy of one."""
    name = f"crm_host_{uuid4().hex[:12]}"
    conn = await asyncpg.connect(server_url)
    copied = f" TEMPLATE {urlsplit(template).path[1:]}" if template else ""
    await conn.execute(f"CREATE DATABASE {name}{copied}")
    yield with_database(server_url, name)
    await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await conn.close()


async def make_tables(conn: asyncpg.Connection) -> None:
    """The host's tables, `leads` with a column more than the core knows."""
    for statement in statements((FOLDER / "0001_host.sql").read_text()):
        await conn.execute(statement)
    await conn.execute("ALTER TABLE leads ADD COLUMN company text NOT NULL DEFAULT 'none'")


@dataclass
class Host:
    """An organisation with two properties; `leads`, `talks`: what its other code goes on with.

    `notes`, `said`: what it wrote into them, to be found there again: the words of a lead's notes
    (in no order: of two writers at once either may be first), a message's content.
    """

    org_id: UUID = field(default_factory=uuid4)
    properties: list[UUID] = field(default_factory=lambda: [uuid4(), uuid4()])
    leads: list[UUID] = field(default_factory=list)
    talks: list[UUID] = field(default_factory=list)
    notes: defaultdict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))
    said: dict[UUID, str] = field(default_factory=dict)

    async def begin(self, conn: asyncpg.Connection, rows: int) -> None:
        """The organisation, and so many leads, conversations and messages."""
        await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", self.org_id)
        await conn.executemany(
            "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'House')",
            [(key, self.org_id) for key in self.properties],
        )
        leads, talks = [uuid4() for _ in range(rows)], [uuid4() for _ in range(rows)]
        at = [LONG_AGO + timedelta(minutes=7 * number) for number in range(rows)]
        home = [self.properties[number % 2] for number in range(rows)]
        await conn.executemany(
            "INSERT INTO leads (id, property_id, source, first_name, last_name, email, phone, "
            "status, created_at, company) VALUES ($1, $2, $3, $4, 'O''Neil', $5, $6, $7, $8, $9)",
            [
                (key, home[n], ["Google", None, 'the "old" site'][n % 3], f"Ada {n} 🏠",
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
                    home[n],
                    ["widget", "sms", "email"][n % 3],
                    at[n],
                )
                for n, key in enumerate(talks)
            ],
        )
        await conn.executemany(
            "INSERT INTO messages (conversation_id, role, content, created_at) "
            "VALUES ($1, $2, $3, $4)",
            [
                (talks[n - n % 3], ["user", "assistant"][n % 2], f"said {n}", at[n])
                for n in range(rows)
            ],
        )
        self.leads += leads
        self.talks += talks

    async def go_on(self, conn: asyncpg.Connection, turns: int, seed: int) -> None:
        """What its other code does: new rows, and edits that build on what it reads."""
        chance = random.Random(seed)
        for turn in range(turns):
            await self._turn(conn, chance, f"{seed}.{turn}")

    async def _turn(self, conn: asyncpg.Connection, chance: random.Random, word: str) -> None:
        what, talk = chance.random(), chance.choice(self.talks)
        lead = chance.choice(self.leads[: chance.choice([6, None])])  # some by several at once
        if what < 0.25:
            await self._new(conn, chance)
        elif what < 0.5:
            await conn.execute("UPDATE leads SET status = $2 WHERE id = $1", lead,
                               chance.choice(["new", "contacted", "leased", "lost"]))  # fmt: skip
        elif what < 0.8:
            self.notes[lead].append(word)
            await conn.execute(
                "UPDATE leads SET last_name = $3, notes = coalesce(notes, '') || $2 WHERE id = $1",
                lead, word + " ", word,
            )  # fmt: skip
        elif what < 0.9:
            await conn.execute("UPDATE conversations SET is_human_mode = NOT is_human_mode "
                               "WHERE id = $1", talk)  # fmt: skip
        else:
            key = uuid4()
            await conn.execute("INSERT INTO messages (id, conversation_id, role, content) "
                               "VALUES ($1, $2, 'user', 'a')", key, talk)  # fmt: skip
            await conn.execute("UPDATE messages SET content = content || 'b' WHERE id = $1", key)
            self.said[key] = "ab"

    async def _new(self, conn: asyncpg.Connection, chance: random.Random) -> None:
        """A lead with a conversation and a message, in one transaction, edited in the next."""
        lead, talk, home = uuid4(), uuid4(), chance.choice(self.properties)
        async with conn.transaction():
            await conn.execute(
                "INSERT INTO leads (id, property_id, source, email) VALUES ($1, $2, 'Meta', $3)",
                lead, home, f"{lead}@example.com",
            )  # fmt: skip
            await conn.execute(
                "INSERT INTO conversations (id, lead_id, property_id) VALUES ($1, $2, $3)",
                talk, lead, home,
            )  # fmt: skip
            await conn.execute(
                "INSERT INTO messages (conversation_id, role, content) VALUES ($1, 'user', 'hi')",
                talk,
            )  # fmt: skip
        await conn.execute("UPDATE leads SET notes = 'first ' WHERE id = $1", lead)
        self.notes[lead].append("first")
        self.leads.append(lead)
        self.talks.append(talk)

    def world(self, pool: asyncpg.Pool) -> World:
        return World(pool, self.org_id, self.properties)


async def install_core(url: str) -> None:
    await asyncio.to_thread(migrate, url)


def told(_table: str, _more: int) -> None: ...


async def adopt_all(host: Host, pool: asyncpg.Pool) -> None:
    """Adopt what there is, and bring the tables level."""
    await adoption.adopt(pool, told)
    assert await adoption.complete(pool)
    await host.world(pool).project()


def rebuild_of(pool: asyncpg.Pool) -> Rebuild:
    return Rebuild(pool, LIVE, LIVE, folding_log(pool), lambda *_: None)


async def live_is_rebuilt(pool: asyncpg.Pool) -> None:
    assert await parked_reasons(pool) == []
    outcome = await rebuild_of(pool).verify()
    assert outcome.equal, [str(d) for c in outcome.comparisons for d in c.differences]


async def own_columns(conn: Any) -> dict[str, dict[UUID, tuple[Any, ...]]]:
    """Every row as the host had it: table → key → its own columns."""
    return {
        table: {row[0]: tuple(row) for row in await conn.fetch(f"SELECT id, {own} FROM {table}")}
        for table, own in OWN.items()
    }
