"""The signal that wakes the loops of a process, and what they do without it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from events.log.announcements import ANNOUNCE, APPENDED
from services.runtime.event_signal import EventSignal, PollPause
from services.runtime.settings import Settings
from tests.conftest import until

pytestmark = pytest.mark.stack
NEVER = 3_600.0
END_LISTENER = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'crm signal' AND datname = current_database()"
)


@asynccontextmanager
async def listening(settings: Settings, signal: EventSignal) -> AsyncIterator[None]:
    task = asyncio.create_task(signal.listen(settings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def signal(direct_settings: Settings) -> AsyncIterator[EventSignal]:
    """Return a signal that listens and is not awake any more."""
    signal = EventSignal(safety_seconds=NEVER)
    async with listening(direct_settings, signal):
        await until(lambda: signal.is_listening and not signal.is_awake)
        yield signal


async def sleep_in(pause: PollPause, stop: asyncio.Event) -> asyncio.Task[bool]:
    """Begin a pause that only an announcement, or the end of the process, can end."""
    pause.begin_look()
    task = asyncio.create_task(pause.wait(stop))
    await asyncio.sleep(0)  # let the task begin
    assert not task.done()
    return task


async def test_an_announcement_wakes_every_sleeper(signal: EventSignal, pool: asyncpg.Pool) -> None:
    pauses = [PollPause(signal, NEVER) for _ in range(2)]
    sleeping = [await sleep_in(pause, asyncio.Event()) for pause in pauses]
    await pool.execute(ANNOUNCE, APPENDED)
    assert await asyncio.wait_for(asyncio.gather(*sleeping), 60) == [False, False]
    assert signal.is_awake


async def test_an_announcement_during_a_look_is_not_lost(
    signal: EventSignal, pool: asyncpg.Pool
) -> None:
    pause = PollPause(signal, NEVER)
    pause.begin_look()
    await pool.execute(ANNOUNCE, APPENDED)
    await until(lambda: signal.is_awake)
    await until(lambda: not signal.is_awake)
    assert not await asyncio.wait_for(pause.wait(asyncio.Event()), 60)


async def test_the_end_of_the_process_wakes_a_sleeper(signal: EventSignal) -> None:
    stop = asyncio.Event()
    sleeping = await sleep_in(PollPause(signal, NEVER), stop)
    stop.set()
    assert await asyncio.wait_for(sleeping, 60)


async def test_a_sleeper_looks_after_its_safety_time_and_when_something_is_due(
    signal: EventSignal,
) -> None:
    """Nothing is announced: both waits would last for an hour."""
    signal.safety_seconds = 0.01
    assert not await asyncio.wait_for(PollPause(signal, NEVER).wait(asyncio.Event()), 60)
    signal.safety_seconds = NEVER
    assert not await asyncio.wait_for(PollPause(signal, NEVER).wait(asyncio.Event(), 0.01), 60)


async def test_a_process_that_cannot_listen_stays_awake(direct_settings: Settings) -> None:
    signal = EventSignal()
    pooler = direct_settings.model_copy(update={"database_pooler": "transaction"})
    async with listening(pooler, signal):
        assert not await asyncio.wait_for(PollPause(signal, 0.01).wait(asyncio.Event()), 60)
        assert signal.is_awake
        assert not signal.is_listening


async def test_a_lost_connection_wakes_the_sleepers_and_is_opened_again(
    signal: EventSignal, owner_pool: asyncpg.Pool
) -> None:
    sleeping = await sleep_in(PollPause(signal, NEVER), asyncio.Event())
    await owner_pool.execute(END_LISTENER)
    assert not await asyncio.wait_for(sleeping, 60)
    await until(lambda: signal.is_listening and not signal.is_awake)
