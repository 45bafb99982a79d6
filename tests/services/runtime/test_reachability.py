"""No process says that it is ready while it cannot reach a server, and none ends in a traceback."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import intake
from services.local_stack.broker import Broker
from services.local_stack.kafka import Kafka
from services.local_stack.ports import HOST, free_port
from services.local_stack.postgres import Postgres
from services.projector import projector
from services.relay import relay
from services.runtime import health
from services.runtime.migrations import migrate
from services.runtime.process import UNREACHABLE, WRONG_SETTINGS
from services.runtime.settings import Settings
from services.sender import sender
from services.timers import timers
from services.workflows import workflows
from tests.conftest import make_broker, make_settings, until
from tests.forked import ForkedProcess
from tests.services.runtime.test_faults import RunningProcess, run_api, run_process

pytestmark = pytest.mark.stack
NOT_READY_SECONDS = 5.0
WORKERS = {
    "relay": relay.work, "projector": projector.work, "intake": intake.work, "timers": timers.work,
    "sender": sender.work, "workflows": workflows.work,
}  # fmt: skip
ALL = (*WORKERS, "api")
KAFKA_USERS = ("relay", "projector", "intake", "workflows")
WRONG_STARTS: dict[str, tuple[tuple[str, ...], dict[str, Any], int, str]] = {
    "database": (
        ALL, {"database_url": "postgresql://crm:hidden@127.0.0.1:1/crm"}, UNREACHABLE,
        "cannot reach the database at 127.0.0.1:1",
    ),
    "host name": (
        ALL, {"database_url": "postgresql://crm:hidden@no-such-host.invalid/crm"}, UNREACHABLE,
        "cannot reach the database at no-such-host.invalid",
    ),
    "kafka": (
        KAFKA_USERS, {"kafka_bootstrap_servers": "127.0.0.1:1"}, UNREACHABLE,
        "cannot reach Kafka at 127.0.0.1:1",
    ),
    "malformed kafka": (
        KAFKA_USERS, {"kafka_bootstrap_servers": "127.0.0.1:port"}, UNREACHABLE,
        "cannot reach Kafka at 127.0.0.1:port",
    ),
    "health port": (ALL, {"health_port": "used"}, WRONG_SETTINGS, "CRM_HEALTH_PORT"),
    "http port": (("api",), {"http_port": "used"}, WRONG_SETTINGS, "CRM_HTTP_PORT"),
    "host": (
        ALL, {"health_host": "192.0.2.1", "health_port": 0}, WRONG_SETTINGS, "CRM_HEALTH_HOST"
    ),
}  # fmt: skip
"""Case → the processes that have the setting, the wrong setting, exit code, text of the error."""


@pytest.fixture(scope="module")
def postgres(run_directory: Path) -> Iterator[Postgres]:
    server = Postgres(run_directory / "own-postgres", durable=False)
    server.start()
    server.ensure_database("crm")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def broker(run_directory: Path) -> Iterator[Broker | Kafka]:
    server = make_broker(run_directory / "own-broker")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def own_settings(postgres: Postgres, broker: Broker | Kafka, tmp_path: Path) -> Settings:
    await asyncio.to_thread(migrate, postgres.url("crm"))
    return make_settings(postgres.url("crm"), broker.bootstrap_servers, tmp_path)


@asynccontextmanager
async def run(name: str, settings: Settings) -> AsyncIterator[RunningProcess]:
    context: Any = run_api(settings) if name == "api" else run_process(settings, WORKERS[name])
    async with context as process:
        yield process


def test_readyz_gives_up_a_check_in_time() -> None:
    assert health.CHECK_SECONDS < NOT_READY_SECONDS


@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("postgres", name) for name in ALL), *(("broker", name) for name in KAFKA_USERS)],
)
async def test_a_process_is_not_ready_while_a_server_that_it_needs_does_not_answer(
    own_settings: Settings, postgres: Postgres, broker: Broker | Kafka, name: str, kind: str
) -> None:
    """A stopped server is worse than a dead one: its port accepts connections."""
    server = postgres if kind == "postgres" else broker
    async with run(name, own_settings) as process:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await until(lambda: _is_unready(process))
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await until(process.is_ready)


async def _is_unready(process: RunningProcess) -> bool:
    return bool(await process.load_problems())


@pytest.mark.parametrize(
    ("case", "name"),
    [(case, name) for case, (names, *_) in WRONG_STARTS.items() for name in names],
)
async def test_a_process_that_cannot_start_says_why_in_one_line(
    kafka_settings: Settings, tmp_path: Path, case: str, name: str
) -> None:
    _, change, code, text = WRONG_STARTS[case]
    with socket.create_server((HOST, 0)) as used:
        values = {
            key: used.getsockname()[1] if value == "used" else value
            for key, value in {"health_port": free_port(), **change}.items()
        }
        if "database_url" in values:
            values["database_url"] = SecretStr(values["database_url"])
        wrong = kafka_settings.model_copy(update=values)
        process = ForkedProcess(name, wrong, tmp_path / "stderr", CRM_LOG_LEVEL="error")
        await process.start()
        exit_code = await process.wait(60)
    stderr = (tmp_path / "stderr").read_text()
    lines = [line for line in stderr.splitlines() if not line.startswith("{")]
    assert exit_code == code, stderr
    assert len(lines) == 1, stderr
    assert lines[0].startswith(f"{name}: ")
    assert text in lines[0]
    assert "hidden" not in stderr
    assert "Traceback" not in stderr
