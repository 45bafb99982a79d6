"""The signal that wakes the loops of a process when events are appended or published.

While events come, a process is awake and polls every few milliseconds. Afterwards it sleeps until
the database announces the next event, and looks by itself once in a while, because an announcement
can be lost. A process that cannot listen, because there is only a pooler, stays awake.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import NoReturn
from weakref import WeakSet

from asyncpg import PostgresError

from events.log.announcements import APPENDED, PUBLISHED
from services.runtime.announcer import Announcer
from services.runtime.database import CONNECTION_ERRORS, connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.logging import get_logger
from services.runtime.process import sleep_unless

AWAKE_SECONDS = 0.25
"""Time for which a process stays awake after the last event or announcement.

It is longer than the time between two announcements of one sender.
"""
RECONNECT_SECONDS = 2.0

log = get_logger("signal")


class EventSignal:
    """The announcements that one process listens to, and whether it is awake."""

    def __init__(
        self, channels: Sequence[str] = (APPENDED, PUBLISHED), safety_seconds: float = 1.0
    ) -> None:
        self.is_listening = False
        self.safety_seconds = safety_seconds
        """Longest sleep of a loop before it looks by itself."""
        self.published = Announcer(PUBLISHED)
        self._channels = channels
        self._awake_until = 0.0
        self._sleepers: WeakSet[asyncio.Event] = WeakSet()

    @property
    def is_awake(self) -> bool:
        return not self.is_listening or asyncio.get_running_loop().time() < self._awake_until

    def stay_awake(self) -> None:
        """Stay awake for a while, because events come."""
        self._awake_until = asyncio.get_running_loop().time() + AWAKE_SECONDS

    def wake(self) -> None:
        """Wake all sleepers, and stay awake."""
        self.stay_awake()
        for sleeper in self._sleepers:
            sleeper.set()

    def add_sleeper(self, sleeper: asyncio.Event) -> None:
        """Set this event at each announcement from now on, as long as it exists."""
        self._sleepers.add(sleeper)

    async def listen(self, settings: DatabaseSettings) -> NoReturn:
        """Listen until cancelled; without an address that gives a session, stay awake."""
        direct = settings.direct
        if direct is None:
            await asyncio.Event().wait()
        assert direct is not None  # noqa: S101 — the wait above does not end
        while True:
            try:
                await self._listen_once(direct)
            except (*CONNECTION_ERRORS, PostgresError) as error:
                log.warning("signal.listening_failed", error=type(error).__name__, is_retry=True)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self, settings: DatabaseSettings) -> None:
        """Listen until the connection ends."""
        conn = await connect(settings, "crm signal")
        closed = asyncio.Event()
        conn.add_termination_listener(lambda _: closed.set())
        try:
            for channel in self._channels:
                await conn.add_listener(channel, lambda *_: self.wake())
            self.is_listening, self.published.sender = True, conn
            self.wake()  # what came between two connections was not announced here
            await closed.wait()
        finally:
            self.is_listening, self.published.sender = False, None
            self.wake()
            conn.terminate()


class PollPause:
    """The pause between two looks of one loop: short while awake, else until it is woken."""

    def __init__(
        self, signal: EventSignal, poll_seconds: float, sleep_seconds: float | None = None
    ) -> None:
        self.signal, self.poll_seconds = signal, poll_seconds
        self.sleep_seconds = signal.safety_seconds if sleep_seconds is None else sleep_seconds
        self._woken = asyncio.Event()
        signal.add_sleeper(self._woken)

    def begin_look(self) -> None:
        """Forget earlier announcements: the look that begins now sees what they were about."""
        self._woken.clear()

    async def wait(self, stop: asyncio.Event, seconds: float = math.inf) -> bool:
        """Wait for the next look, which is due in `seconds`; return True when `stop` is set."""
        if self.signal.is_awake:
            return await sleep_unless(stop, min(self.poll_seconds, seconds))
        await wait_for_any(min(self.sleep_seconds, seconds), stop, self._woken)
        return stop.is_set()


async def wait_for_any(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, but at most `seconds`."""
    if any(event.is_set() for event in events):
        return
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
