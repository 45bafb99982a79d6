"""Settings of a process that no other test covers: each has its effect."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx2
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from events.bus import publish
from services.api.app import create_app
from services.local_stack.ports import free_port
from services.relay import relay
from services.runtime.clock import Clock
from services.runtime.environment import to_environment
from services.runtime.settings import Settings
from tests.conftest import until
from tests.forked import ForkedProcess
from tests.local_http import open_local_client

OTHER_ADDRESS = "127.0.0.2"
PROBE = """
from services.runtime.logging import get_logger
from services.runtime.process import run_process

async def work(settings, stop, checks, clock):
    get_logger("probe").warning("probe.warned", now=clock.now().isoformat())
    await stop.wait()

run_process("probe", work)
"""


@asynccontextmanager
async def run_probe(settings: Settings, log: Path) -> AsyncIterator[None]:
    """Run a process without work during a block; write its log to a file."""
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROBE, env=to_environment(settings), stderr=stderr
        )
        try:
            await until(lambda: "probe.warned" in log.read_text())
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0


async def answers(address: str, port: int) -> bool:
    try:
        async with open_local_client() as client:
            return (await client.get(f"http://{address}:{port}/healthz")).status_code == 200
    except httpx2.TransportError:
        return False


async def test_health_host_and_health_port_are_where_a_worker_serves_its_health_routes(
    settings: Settings, tmp_path: Path
) -> None:
    port = free_port()
    moved = settings.model_copy(update={"health_host": OTHER_ADDRESS, "health_port": port})
    async with run_probe(moved, tmp_path / "log"):
        await until(lambda: answers(OTHER_ADDRESS, port))
        assert not await answers("127.0.0.1", port)


async def test_http_host_is_where_the_api_listens(settings: Settings, pool: asyncpg.Pool) -> None:
    port = free_port()
    moved = settings.model_copy(update={"http_host": OTHER_ADDRESS, "http_port": port})
    process = ForkedProcess("api", moved)
    await process.start()
    try:
        await until(lambda: answers(OTHER_ADDRESS, port))
        assert not await answers("127.0.0.1", port)
    finally:
        process.stop()
        await process.wait(20)


def is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.mark.parametrize(
    ("changes", "is_expected"),
    [
        ({"log_format": "json"}, lambda lines: all(map(is_json, lines))),
        ({"log_format": "console"}, lambda lines: not any(map(is_json, lines))),
        ({"log_level": "info"}, lambda lines: "process.started" in lines[0]),
        ({"log_level": "warning"}, lambda lines: len(lines) == 1 and "probe.warned" in lines[0]),
    ],
    ids=["json", "console", "info", "warning"],
)
async def test_log_format_and_log_level_decide_on_the_lines(
    settings: Settings,
    tmp_path: Path,
    changes: dict[str, object],
    is_expected: Callable[[list[str]], bool],
) -> None:
    log = tmp_path / "log"
    async with run_probe(settings.model_copy(update=changes), log):
        pass
    lines = log.read_text().splitlines()
    assert is_expected(lines), lines


@pytest.mark.stack
async def test_topic_replicas_and_partitions_are_those_of_a_created_topic(
    kafka_settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded broker has one replica only, so the request to it is looked at."""
    created: list[NewTopic] = []

    async def create_topics(_client: AIOKafkaAdminClient, topics: list[NewTopic]) -> Any:
        created.extend(topics)
        return SimpleNamespace(topic_errors=[])

    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", create_topics)
    changes = {"topic_replicas": 3, "topic_partitions": 16}
    await _run_relay_until(kafka_settings.model_copy(update=changes), lambda: bool(created))
    assert {(topic.replication_factor, topic.num_partitions) for topic in created} == {(3, 16)}


@pytest.mark.stack
@pytest.mark.parametrize("is_idempotent", [True, False])
async def test_kafka_idempotent_makes_the_relay_use_an_idempotent_producer(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    is_idempotent: bool,
) -> None:
    """The embedded broker does not support it, so the options of the client are looked at."""
    options: list[Any] = []
    original = AIOKafkaProducer

    def make_producer(**given: Any) -> Any:
        options.append(given["enable_idempotence"])
        return original(**given)

    monkeypatch.setattr(publish, "AIOKafkaProducer", make_producer)
    changes = {"kafka_idempotent": is_idempotent}
    await _run_relay_until(kafka_settings.model_copy(update=changes), lambda: bool(options))
    assert set(options) == {is_idempotent}


async def _run_relay_until(settings: Settings, is_done: Callable[[], bool]) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(relay.work(settings, stop, {}, Clock()))
    try:
        await until(is_done)
    finally:
        stop.set()
        await asyncio.wait_for(running, 60)


async def test_clock_delay_file_delays_the_clocks_of_processes_and_of_the_api(
    settings: Settings, tmp_path: Path
) -> None:
    file, log = tmp_path / "delay", tmp_path / "log"
    file.write_text("864000")
    delayed = settings.model_copy(update={"clock_delay_file": file})
    async with run_probe(delayed, log):
        line = next(line for line in log.read_text().splitlines() if "probe.warned" in line)
    now = datetime.fromisoformat(json.loads(line)["now"])
    assert timedelta(days=10) <= datetime.now(UTC) - now < timedelta(days=10, minutes=5)
    app = create_app(delayed)
    async with app.router.lifespan_context(app):
        now = app.state.context.clock.now()
    assert timedelta(days=10) <= datetime.now(UTC) - now < timedelta(days=10, minutes=5)
