"""Announcements of appends: after the commit, outside of its transaction, and few of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
import pytest

from events.leads import LeadNoted
from events.log.announcements import APPENDED
from events.log.append import append
from events.log.connection import Connection
from events.log.plain_append import append_plain
from events.record import NewEvent, Stream
from services.runtime import announcer
from services.runtime.database import connect
from services.runtime.settings import Settings
from tests.conftest import until
from tests.world import World, make_world

pytestmark = pytest.mark.stack
LAST = "last"
COPIES = 20


@dataclass
class Announcements:
    """The announcements that a connection without a pooler has received."""

    conn: asyncpg.Connection
    payloads: list[str] = field(default_factory=list)

    async def count(self) -> int:
        """Return the number of announcements that appends before this call have caused."""
        await until(are_all_sent)
        await self.conn.execute("SELECT pg_notify($1, $2)", APPENDED, LAST)
        await until(lambda: LAST in self.payloads)
        return self.payloads.index(LAST)


def are_all_sent() -> bool:
    """Return whether no announcement is being sent."""
    return all(task.get_name() != announcer.TASK for task in asyncio.all_tasks())


@pytest.fixture
async def world(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> World:
    """Make a world in which each append is announced, however fast they come."""
    monkeypatch.setattr(announcer, "QUIET_SECONDS", 0.0)
    world = await make_world(pool)
    await until(are_all_sent)
    return world


@pytest.fixture
async def announced(direct_settings: Settings, world: World) -> AsyncIterator[Announcements]:
    """Listen after the world was made."""
    conn = await connect(direct_settings, "test listener")
    received = Announcements(conn)
    await conn.add_listener(APPENDED, lambda *args: received.payloads.append(args[-1]))
    yield received
    await conn.close()


def captured(world: World) -> NewEvent:
    return world.new(world.captured(uuid4(), email=f"{uuid4()}@example.com"))


async def test_an_append_is_announced_after_its_commit(
    world: World, announced: Announcements
) -> None:
    async with world.pool.acquire() as conn, conn.transaction():
        async with conn.transaction():
            await append(conn, [captured(world)], expected={})
        assert await announced.count() == 0
    announced.payloads.clear()
    assert await announced.count() == 1


async def test_an_append_that_is_rolled_back_is_not_announced(
    world: World, announced: Announcements
) -> None:
    async with world.pool.acquire() as conn:
        with pytest.raises(ZeroDivisionError):
            await append_and_fail(conn, captured(world))
        async with conn.transaction():
            await conn.execute("SELECT 1")
    assert await announced.count() == 0


async def append_and_fail(conn: Connection, new: NewEvent) -> None:
    async with conn.transaction():
        await append(conn, [new], expected={})
        raise ZeroDivisionError


async def test_a_plain_append_is_announced(world: World, announced: Announcements) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead, email="ann@example.com")))
    assert await announced.count() == 1
    announced.payloads.clear()
    noted = world.new(LeadNoted(lead_id=lead, note="called"))
    async with world.pool.acquire() as conn:
        assert await append_plain(conn, [noted], expected={Stream("lead", lead): 1}, guards={})
    assert await announced.count() == 1


async def test_appends_that_follow_each_other_are_announced_together(
    world: World, announced: Announcements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "QUIET_SECONDS", 3_600.0)
    for _ in range(COPIES):
        await world.append(captured(world))
    assert await announced.count() == 1
