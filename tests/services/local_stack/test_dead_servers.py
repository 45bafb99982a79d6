"""Servers of a running stack that die: they are started again, and what is lost is counted."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from services.local_stack.child_process import StackError
from services.local_stack.server_supervisor import MAX_FAILURES, ServerSupervisor, ServerWatch
from services.local_stack.stack import Stack
from tests.conftest import until
from tests.services.intake.processes import send

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "CRM_JWT_SECRET", "CRM_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.kill
async def test_a_dead_postgresql_is_started_again(home: Path) -> None:
    notices: list[str] = []
    with Stack(home, processes=("timers",), durable=False, notice=notices.append) as stack:
        server, timers = stack.servers.postgres, stack.processes["timers"]
        assert server is not None
        pid, timers_pid = server.pid, timers.pid
        server.crash()
        await until(lambda: server.pid not in (None, pid))
        await until(timers.is_ready)
        assert "PostgreSQL ended unexpectedly, starting it again in 0.5 s" in notices
        assert timers.pid == timers_pid, "the process runs on"


@pytest.mark.kill
async def test_a_dead_broker_is_started_again_and_its_unread_records_are_counted(
    home: Path,
) -> None:
    notices: list[str] = []
    with Stack(home, processes=("intake",), durable=False, notice=notices.append) as stack:
        broker = stack.servers.broker
        assert broker is not None
        blocker = await asyncpg.connect(stack.settings.dsn)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE public.crm_events, crm.dead_letters")
            await send(stack.settings, [(b"not a CloudEvent", [])] * 7)
            await until(lambda: _is_waiting(stack.settings.dsn))
            pid = broker.pid
            broker.crash()
            await until(lambda: broker.pid not in (None, pid))
        await blocker.close()
        warnings = [notice for notice in notices if notice.startswith("WARNING")]
        assert len(warnings) == 1
        assert "7 unread intake records are lost" in warnings[0]
        await until(stack.processes["intake"].is_ready)


async def _is_waiting(dsn: str) -> bool:
    conn = await asyncpg.connect(dsn)
    try:
        return bool(await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))
    finally:
        await conn.close()


class BrokenServer:
    """A server that never starts."""

    pid: int | None = None
    starts = 0

    def start(self) -> None:
        self.starts += 1
        raise StackError("no space left\nand a log")


async def test_a_server_that_never_starts_is_given_up_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.local_stack.server_supervisor.CHECK_SECONDS", 0.01)
    monkeypatch.setattr("services.local_stack.server_supervisor.MAX_PAUSE_SECONDS", 0.01)
    notices: list[str] = []
    server = BrokenServer()
    supervisor = ServerSupervisor([ServerWatch("the broker", server)], notices.append)
    supervisor.start()
    try:
        await until(lambda: supervisor.failed == ["the broker"])
    finally:
        await asyncio.to_thread(supervisor.stop)
    assert server.starts == MAX_FAILURES
    assert notices[0] == "the broker ended unexpectedly, starting it again in 0.01 s"
    assert "did not start (no space left)" in notices[-1]
