"""The pages for producers and consumers: their programs run, against the core and a broken bus."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from events.bus import wire
from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from events.log import read, sequencer
from services.runtime.environment import to_environment
from services.runtime.settings import Settings
from tests.checkout import ROOT
from tests.conftest import until
from tests.services.intake.processes import run_intake
from tests.world import World, make_world

PARTITIONS = 8
NODE = (20, 19)


def block(page: str, tag: str) -> str:
    """Return the text of the fenced block of a page whose info string ends with `tag`."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```\w+ {re.escape(tag)}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"{page} has {len(found)} blocks {tag!r}"
    return str(found[0])


async def test_the_producer_of_the_page_learns_what_became_of_its_lead(
    kafka_settings: Settings, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    world = await make_world(pool)
    program = tmp_path / "producer.py"
    program.write_text(block("publishing.md", "producer"))

    async def produce(form_number: str, email: str) -> dict[str, Any]:
        environment = {
            **os.environ, **to_environment(kafka_settings), "PROPERTY_ID": str(world.properties[0]),
            "FORM_NUMBER": form_number, "EMAIL": email,
        }  # fmt: skip
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, str(program)], env=environment, check=False,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout)
        return outcome

    async with run_intake(kafka_settings):
        first = await produce("form-1", "ada@example.com")
        assert (first["status"], first["duplicate"]) == ("accepted", False)
        again = await produce("form-1", "ada@example.com")
        assert (again["duplicate"], again["event_id"]) == (True, first["event_id"])
        known = await produce("form-2", "Ada@example.com")
        assert (known["reason"], known["lead_id"]) == ("known_lead", first["lead_id"])
        refused = await produce("form-3", "no address")
        assert (refused["status"], refused["reason"]) == ("refused", "invalid_email")
    assert await world.count("crm_events WHERE event_type = 'lead.captured'") == 1


@dataclass
class Bus:
    """The topic of events, to which a test writes rows of the log as a relay would."""

    settings: Settings
    world: World
    producer: AIOKafkaProducer

    async def rows(self) -> list[asyncpg.Record]:
        """Return all rows of the log in the order of their positions."""
        await self.world.number()
        return await self.world.pool.fetch(
            f"SELECT {read.BUS_COLUMNS} FROM crm_events ORDER BY position"
        )

    async def publish(
        self, rows: Sequence[asyncpg.Record], *, generation: int = 1, log_id: Any = None
    ) -> None:
        if log_id is None:
            async with self.world.pool.acquire() as conn:
                log_id = (await sequencer.read_log_state(conn)).id
        for row in rows:
            record = wire.record_of(row, log_id, generation)
            await self.producer.send_and_wait(
                Topics.of(self.settings.topic_prefix).events, record.value, key=record.key,
                headers=record.headers, partition=row["shard"] % PARTITIONS,
            )  # fmt: skip


@pytest.fixture
async def bus(kafka_settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Bus]:
    servers = kafka_settings.kafka_bootstrap_servers
    topic = Topics.of(kafka_settings.topic_prefix).events
    await create_topic(servers, topic, partitions=PARTITIONS, replicas=1)
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await producer.start()
    yield Bus(kafka_settings, await make_world(pool), producer)
    await producer.stop()


def python_consumer(directory: Path) -> list[str]:
    (directory / "consumer.py").write_text(block("consuming.md", "consumer"))
    return [sys.executable, "consumer.py"]


def typescript_consumer(directory: Path) -> list[str]:
    """Install the client and compile the consumer as the page says."""
    require_node()
    (directory / "consumer.ts").write_text(block("consuming.md", "consumer-ts"))
    script = block("consuming.md", "typescript")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=directory, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
    )  # fmt: skip
    if done.returncode and re.search(r"E(NOTFOUND|AI_AGAIN|CONNREFUSED|TIMEDOUT)", done.stdout):
        pytest.skip("npm cannot reach its registry: the TypeScript client cannot be installed")
    assert done.returncode == 0, done.stdout
    return block("consuming.md", "typescript-run").split()


def require_node() -> None:
    """Skip the test without a recent Node: the client does not run on older ones."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed: apt install nodejs npm")
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    if tuple(int(part) for part in version.strip().lstrip("v").split(".")[:2]) < NODE:
        pytest.skip(f"Node is {version.strip()}: the client needs {NODE[0]}.{NODE[1]} or newer")


@dataclass
class RunningConsumer:
    """The consumer of the page as a process, and the file with its result."""

    command: list[str]
    directory: Path
    environment: dict[str, str]

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run it during a block; then kill it, as a crash would."""
        log = (self.directory / "consumer.log").open("a")
        process = subprocess.Popen(  # noqa: ASYNC220 — starting it does not block
            self.command, cwd=self.directory, env=self.environment, stdout=log, stderr=log
        )
        try:
            yield
            assert process.poll() is None, (self.directory / "consumer.log").read_text()
        finally:
            process.kill()
            process.wait()
            log.close()

    async def wait_for(self, leads: int, generation: int = 1) -> None:
        """Wait until it has counted so many leads in a generation of the log."""

        def is_counted() -> bool:
            path = self.directory / "leads.json"
            if not path.exists():
                return False
            state = json.loads(path.read_text())
            assert sum(state["leads"].values()) <= max(leads, 6), state
            return (state["generation"], sum(state["leads"].values())) == (generation, leads)

        try:
            await until(is_counted)
        except AssertionError as error:
            raise AssertionError((self.directory / "consumer.log").read_text()) from error


@pytest.mark.parametrize(
    "prepare",
    [python_consumer, pytest.param(typescript_consumer, marks=pytest.mark.foreign_client)],
)
@pytest.mark.stack
async def test_the_consumers_of_the_page_count_each_lead_once(
    bus: Bus, tmp_path: Path, prepare: Callable[[Path], list[str]]
) -> None:
    command = await asyncio.to_thread(prepare, tmp_path)
    consumer = RunningConsumer(command, tmp_path, {**os.environ, **to_environment(bus.settings)})
    world = bus.world
    await world.append(*(world.new(world.captured(email=f"{n}@example.com")) for n in range(6)))
    rows = await bus.rows()
    first_lead = next(n for n, row in enumerate(rows) if row["event_type"] == "lead.captured")
    before, (a, b, c, d, e, f) = rows[:first_lead], rows[first_lead:]
    await bus.publish([*before, a, b])
    async with consumer.run():
        await consumer.wait_for(2)
        await bus.publish([a, b, b, *before, c], log_id=None)  # duplicates, then a new event
        await consumer.wait_for(3)
        await bus.publish([d, e], log_id=uuid4())  # of another log
    await bus.publish([e])  # after a crash; d is missing
    async with consumer.run():
        await until(lambda: "missing" in (tmp_path / "consumer.log").read_text(), 60)
        await consumer.wait_for(3)
        await bus.publish([d, e, f])  # what the broker lost is published again
        await consumer.wait_for(6)
    restored = [*before, a, b, c, d]
    await bus.publish(restored, generation=2)  # the log was restored without e and f
    async with consumer.run():
        await consumer.wait_for(4, generation=2)
        await bus.publish([e, f])  # records of the old generation
        await bus.publish([a, d, e], generation=2)  # two duplicates, then a new event
        await consumer.wait_for(5, generation=2)
