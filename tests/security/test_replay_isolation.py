"""A rebuild or a replay reaches PostgreSQL and the broker, and nothing else in the world."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.relay import relay
from services.runtime.environment import to_environment
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import is_bus_complete, run_processes
from tests.services.application.workflow_harness import HOUR, make_harness, sms

pytestmark = pytest.mark.stack

REFUSE = """
import os, sys

sys.modules["uvloop"] = None  # it connects in C, where Python sees nothing

allowed = set(os.environ["TEST_ALLOWED_ADDRESSES"].split(","))


def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = (arguments[0], "")
    else:
        return
    text = address if isinstance(address, str) else ":".join(str(part) for part in address[:2])
    if isinstance(address, str) or text in allowed or text.partition(":")[0] in allowed:
        return
    with open(os.environ["TEST_REFUSED"], "a") as refused:
        refused.write(f"{event} {text}\\n")
    raise PermissionError(f"{event} to {text} is refused")


sys.addaudithook(refuse)
"""
"""Python code that runs at the start of every interpreter of a test."""


class Listener:
    """A server that nothing may reach: of mails, short messages and webhooks."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def was_reached(self) -> bool:
        try:
            self._socket.accept()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


class Isolation:
    """An environment in which Python may connect to these servers only."""

    def __init__(self, directory: Path, settings: Settings, port: int) -> None:
        (directory / "sitecustomize.py").write_text(REFUSE)
        self._refused = directory / "refused"
        database = urlsplit(settings.dsn)
        servers = [settings.kafka_bootstrap_servers, f"{database.hostname}:{database.port}"]
        self._environment = {
            **os.environ, **to_environment(settings),
            "PYTHONPATH": f"{directory}{os.pathsep}{Path.cwd()}",
            "TEST_ALLOWED_ADDRESSES": ",".join([*servers, "None"]),
            "TEST_REFUSED": str(self._refused),
            "CRM_SMTP_HOST": "127.0.0.1", "CRM_SMTP_PORT": str(port),
            "CRM_SMTP_SENDER": "crm@example.com", "CRM_SMTP_SECURITY": "none",
        }  # fmt: skip

    async def run(self, *arguments: str) -> tuple[int, str]:
        """Run the interpreter; return its exit code and its output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=self._environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), 240)
        return process.returncode or 0, output.decode()

    def refused(self) -> str:
        return self._refused.read_text() if self._refused.exists() else ""


@pytest.fixture
def isolation(tmp_path: Path, owner_settings: Settings, kafka_settings: Settings,
              listener: Listener) -> Isolation:  # fmt: skip
    bus = {
        name: getattr(kafka_settings, name) for name in ("kafka_bootstrap_servers", "topic_prefix")
    }
    return Isolation(tmp_path, owner_settings.model_copy(update=bus), listener.port)


async def test_the_isolation_refuses_every_other_connection(
    isolation: Isolation, listener: Listener
) -> None:
    connect = f"import socket; socket.create_connection(('127.0.0.1', {listener.port}))"
    code, output = await isolation.run("-c", connect)
    assert code == 1
    assert "is refused" in output
    look_up = "import socket; socket.getaddrinfo('example.com', 25)"
    assert (await isolation.run("-c", look_up))[0] == 1
    assert len(isolation.refused().splitlines()) == 2
    assert not listener.was_reached()


async def test_a_rebuild_works_with_all_outgoing_connections_refused(
    isolation: Isolation,
    listener: Listener,
    kafka_settings: Settings,
    pool: asyncpg.Pool,
) -> None:
    """There is a run whose next step is due, and a planned message that is due."""
    harness = await make_harness(pool)
    await harness.create_template("hello")
    flow = await harness.create_workflow(sms("hi"), sms("again"))
    lead = await harness.create_lead()
    await harness.enrol(flow, lead)
    await harness.move(HOUR)
    async with run_processes(kafka_settings, relay.work):
        await until(lambda: is_bus_complete(kafka_settings, pool))
    await harness.world.project()
    before = await _load_log(pool)
    for arguments in (("rebuild", "--all"), ("rebuild", "--all", "--source", "kafka"), ("verify",)):
        code, output = await isolation.run("-m", "services.cli", "replay", *arguments)
        assert code == 0, output
    assert isolation.refused() == ""
    assert not listener.was_reached()
    assert await _load_log(pool) == before


async def _load_log(pool: asyncpg.Pool) -> list[tuple[object, ...]]:
    """Return the ids of all events, and all timers: what could cause something."""
    events = await pool.fetch("SELECT id FROM crm_events ORDER BY seq")
    timers = await pool.fetch("SELECT kind, entity_id, due_at, queue_at FROM crm.timers ORDER BY 2")
    return [tuple(row) for row in (*events, *timers)]
