"""Servers once per run, a database and topics of its own for every test."""

import asyncio
import inspect
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import hypothesis
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from services.local_stack.broker import Broker
from services.local_stack.kafka import Kafka
from services.local_stack.postgres import Postgres
from services.runtime.database import open_engine, pooled
from services.runtime.migrations import migrate
from services.runtime.settings import Settings
from tests.releases import release_of

POLL_SECONDS = 0.02
MEMORY = Path("/dev/shm")
ROOM_BYTES = 10 * 2**30
LIMITS = ("limit_address", "limit_visitor", "limit_key", "limit_contact")
JWT_SECRET = "a development secret that is long enough for HS256"

# Without a clock: machines differ fivefold from one hour to the next.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first, or all wait for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")


async def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """Ask (plain or async) until the answer is true, and return that answer.

    `seconds` end what would wait for ever; where they are few, never is what a test expects.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            words = inspect.getsource(condition).strip()
            raise AssertionError(f"not within {seconds} s: {words}")
        await asyncio.sleep(POLL_SECONDS)


@pytest.fixture(name="until", scope="session")
def _until() -> Callable[..., Any]:
    """The bounded waiter, also importable as `tests.conftest.until`."""
    return until


@pytest.fixture(scope="session")
def run_directory() -> Iterator[Path]:
    """Where this run's servers keep their data, in memory where there is plenty; gone afterwards.

    Making a database's thousand files takes 0.26 s on a disk and 0.02 s in memory.
    """
    for left in MEMORY.glob("crm-test-*"):  # by a run that was killed
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    prefix = f"crm-test-{os.getpid()}-"
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if has_room else None))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def home(run_directory: Path) -> Path:
    """A CRM_HOME for a stack of the test's own (run as root, servers cannot enter `tmp_path`)."""
    return Path(tempfile.mkdtemp(dir=run_directory))


@pytest.fixture(scope="session")
def server_url(run_directory: Path) -> Iterator[str]:
    """A PostgreSQL to make databases in: DATABASE_URL's, CRM_TEST_POSTGRES's, or the wheel's."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    older = os.environ.get("CRM_TEST_POSTGRES")
    release = release_of(older) if older else None
    server = Postgres(run_directory / "postgres", durable=False, release=release)
    server.start()
    yield server.url()
    server.stop()


@pytest.fixture(scope="session")
def bootstrap_servers(run_directory: Path) -> Iterator[str]:
    """KAFKA_BOOTSTRAP_SERVERS, or Apache Kafka (CRM_TEST_BROKER=kafka), or the embedded broker."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    server = make_broker(run_directory / "broker")
    server.start()
    yield server.bootstrap_servers
    server.stop()


def make_broker(directory: Path) -> Broker | Kafka:
    """A broker of the kind this run tests, for a test that stops or crashes its own."""
    return Kafka(directory) if os.environ.get("CRM_TEST_BROKER") == "kafka" else Broker(directory)


@pytest.fixture(scope="session")
async def template_database(server_url: str) -> AsyncIterator[str]:
    """The name of a database that is migrated once and copied for every test."""
    name = f"crm_template_{uuid4().hex[:12]}"
    await _execute(server_url, f"CREATE DATABASE {name}")
    await asyncio.to_thread(migrate, with_database(server_url, name))
    yield name
    await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database_url(server_url: str, template_database: str) -> AsyncIterator[str]:
    """A migrated, empty database for one test."""
    name = f"crm_test_{uuid4().hex[:12]}"
    await _execute(
        server_url, f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY FILE_COPY"
    )
    yield with_database(server_url, name)
    await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a test that needs no broker; one that does takes `kafka_settings`."""
    return make_settings(database_url, "127.0.0.1:9", tmp_path)


@pytest.fixture
def kafka_settings(settings: Settings, bootstrap_servers: str) -> Settings:
    """The same, with the run's broker."""
    return settings.model_copy(update={"kafka_bootstrap_servers": bootstrap_servers})


def make_settings(database_url: str, bootstrap_servers: str, home: Path, **more: Any) -> Settings:
    """Settings with topics nobody else uses."""
    values: dict[str, Any] = {
        "database_url": SecretStr(database_url),
        "kafka_bootstrap_servers": bootstrap_servers,
        "topic_prefix": f"t{uuid4().hex[:12]}",
        "home": home,
        "jwt_secret": SecretStr(JWT_SECRET),
        "pool_size": 5,
        **dict.fromkeys(LIMITS, ""),  # tests come from one address, much and fast
        **more,
    }
    return Settings(**values)


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """asyncpg connections to the test's database."""
    async with pooled(settings, "test", role=None) as opened:
        yield opened


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """SQLAlchemy's engine on the test's database."""
    opened = open_engine(settings, "test", role=None)
    yield opened
    await opened.dispose()


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
