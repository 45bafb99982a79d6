"""A complete core with servers of its own, whose processes and servers a test kills."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from services.local_stack.broker import Broker
from services.local_stack.child_process import stop
from services.local_stack.kafka import Kafka
from services.local_stack.ports import free_port
from services.local_stack.postgres import STOP_SECONDS, Postgres
from services.runtime.process import UNREACHABLE
from services.runtime.settings import Settings
from tests.conftest import make_broker, make_settings
from tests.forked import ForkedProcess
from tests.races.lying_server import SHORT_PAUSE, name_sender
from tests.races.message_account import Kill

PROCESSES = (
    "api", "relay", "projector", "timers", "workflows", "workflows", "sender", "sender",
)  # fmt: skip
POSTGRES, BROKER = "postgres", "broker"
END_SECONDS = 30.0


@dataclass
class _Running:
    """A process of the core: its name, and that of this start of it."""

    name: str
    instance: str
    process: ForkedProcess


@dataclass
class KilledCore:
    """All processes of the core. One that is killed, or that ends by itself, is started again."""

    settings: Settings
    postgres: Postgres
    broker: Broker | Kafka
    log: Path
    kills: list[Kill] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Processes that ended by themselves, although they could reach their servers."""
    _running: list[_Running] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)

    @property
    def counts(self) -> Counter[str]:
        """The number of kills by process or server."""
        return Counter(kill.name.partition("-")[0] for kill in self.kills)

    async def start(self) -> None:
        self._running = list(await asyncio.gather(*(self._start(name) for name in PROCESSES)))

    async def stop(self) -> None:
        for running in self._running:
            running.process.stop()
        await asyncio.gather(*(running.process.wait(END_SECONDS) for running in self._running))

    async def kill(self, name: str, choice: int) -> None:
        """End a server or a process as in a crash, and start it again.

        `choice`: which of several processes with the name; an even one kills PostgreSQL with
        SIGKILL, an odd one lets it stop immediately (SIGQUIT).
        """
        began_at = datetime.now(UTC)
        if name == POSTGRES:
            await asyncio.to_thread(self._restart_postgres, is_crash=choice % 2 == 0)
        elif name == BROKER:
            await asyncio.to_thread(self.broker.restart, crash=True)
        else:
            numbers = [n for n, running in enumerate(self._running) if running.name == name]
            number = numbers[choice % len(numbers)]
            killed = self._running[number]
            killed.process.kill()
            await killed.process.wait(END_SECONDS)
            self.kills.append(Kill(killed.instance, began_at, datetime.now(UTC)))
            self._running[number] = await self._start(name)
            return
        self.kills.append(Kill(name, began_at, datetime.now(UTC)))

    async def restart_ended(self) -> None:
        """Start processes that ended by themselves again, as a supervisor does."""
        for number, ended in enumerate(self._running):
            if (code := ended.process.exit_code) is not None:
                await ended.process.wait(END_SECONDS)
                if code != UNREACHABLE:
                    self.failures.append(f"{ended.instance} ended with {code}")
                self._running[number] = await self._start(ended.name)

    async def _start(self, name: str) -> _Running:
        instance = f"{name}-{next(self._numbers)}"
        settings, change = self.settings, ""
        if name == "sender":
            settings, change = name_sender(settings, instance), SHORT_PAUSE
        process = ForkedProcess(name, settings, self.log / f"{name}.log", change)
        await process.start()
        return _Running(name, instance, process)

    def _restart_postgres(self, *, is_crash: bool) -> None:
        if is_crash:
            self.postgres.crash()
        elif (pid := self.postgres.pid) is not None:
            stop(pid, STOP_SECONDS, first=signal.SIGQUIT)
        self.postgres.start()


@asynccontextmanager
async def run_servers(home: Path) -> AsyncIterator[KilledCore]:
    """Run PostgreSQL and a broker during a block; yield a core that is not started."""
    postgres, broker = Postgres(home / "postgres"), make_broker(home / "broker")
    try:
        await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(broker.start))
        await asyncio.to_thread(postgres.ensure_database, "crm")
        port = free_port()
        settings = make_settings(
            postgres.url("crm"), broker.bootstrap_servers, home, http_port=port,
            public_url=f"http://127.0.0.1:{port}",
        )  # fmt: skip
        yield KilledCore(settings, postgres, broker, home)
    finally:
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(postgres.stop)
