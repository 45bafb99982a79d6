"""Shared fixtures: one set of servers per run; a new database and new topics for every test.

Code under test connects to PostgreSQL as in production: with a login role that is not a superuser
and that switches to `service_role`, `anon` or `authenticated` (`settings`, `pool`, `engine`).
Migrations, rebuilds and other work of the owner use the superuser's address. A test that needs it
takes `owner_settings`, `owner_pool` or `database_url`.
"""

import asyncio
import gc
import inspect
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import hypothesis
import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from services.local_stack.broker import Broker
from services.local_stack.kafka import Kafka
from services.local_stack.postgres import Postgres
from services.runtime.database import open_engine, pooled
from services.runtime.key_store import create_schema, prepare_key_store
from services.runtime.migrations import migrate
from services.runtime.settings import Settings
from tests.pgbouncer import PgBouncer
from tests.releases import release_of

pytest_plugins = ("tests.produced_codes", "tests.run_order")

# By default structlog formats the local variables of each frame of a traceback: it takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.dev.ConsoleRenderer(colors=False),
    ]
)

POLL_SECONDS = 0.02
MEMORY_DIRECTORY = Path("/dev/shm")
MINIMUM_FREE_BYTES = 10 * 2**30
LIMITS = (
    "limit_address", "limit_visitor", "limit_key", "limit_contact", "limit_own_contact",
    "limit_api_key",
)  # fmt: skip
JWT_SECRET = "a development secret that is long enough for HS256"
REQUIRED_IN_CI = ("browser", "foreign_client", "kill", "pooler")
"""Markers of tests that `.ci/run` must not skip. It sets CRM_TEST_REQUIRED."""
LOGIN = "crm_test_login"
"""Name and password of the login role with which code under test connects."""

CREATE_LOGIN = f"""
    DO $$ BEGIN
      CREATE ROLE {LOGIN} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{LOGIN}';
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$;
    GRANT anon, authenticated, service_role TO {LOGIN};
"""
GRANT_HOST_TABLES = (
    "GRANT INSERT, UPDATE, DELETE ON organizations, properties, profiles TO service_role"
)
"""Supabase grants `service_role` this. With it, a test can write the host's rows with any pool."""

# No deadline: the speed of a machine varies by a factor of five.
hypothesis.settings.register_profile(
    "no_deadline", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("no_deadline")


os.environ.setdefault("CRM_MASTER_KEY", "bWFzdGVyIGtleSBvZiB0aGUgdGVzdHMsIDMyIGJ5dGU=")
"""The master key of all settings in the tests, and of the processes that they start."""
os.environ.setdefault("CRM_INTAKE_BATCH_SECONDS", "60")
"""On a busy machine a few records can take the second of the default, and the rest would wait."""

gc.disable()
"""Until the tests are collected: almost nothing of what is imported becomes garbage."""


def pytest_collection_finish() -> None:
    """Collect garbage from now on, without another look at all modules and tests."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a skipped test as failed if it is required: `.ci/run` installs what it needs."""
    report = yield
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and os.environ.get("CRM_TEST_REQUIRED")
        and any(item.get_closest_marker(name) for name in REQUIRED_IN_CI)
    ):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must not be skipped here: {report.longrepr}"
    return report


async def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """Call a plain or async condition until its result is true, and return the result.

    Raise AssertionError after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return result
        if time.monotonic() > deadline:
            source = inspect.getsource(condition).strip()
            raise AssertionError(f"not true within {seconds} s: {source}")
        await asyncio.sleep(POLL_SECONDS)


@pytest.fixture(name="until", scope="session")
def _until() -> Callable[..., Any]:
    """Return `until`, which can also be imported from `tests.conftest`."""
    return until


@pytest.fixture(scope="session")
def run_directory() -> Iterator[Path]:
    """Create the data directory of this run's servers, in memory if enough is free.

    Creating the thousand files of a database takes 0.26 s on a disk and 0.02 s in memory.
    """
    for leftover in MEMORY_DIRECTORY.glob("crm-test-*"):  # of a run that was killed
        if not Path("/proc", leftover.name.split("-")[2]).exists():
            shutil.rmtree(leftover, ignore_errors=True)
    fits = MEMORY_DIRECTORY.is_dir() and (
        shutil.disk_usage(MEMORY_DIRECTORY).free > MINIMUM_FREE_BYTES
    )
    prefix = f"crm-test-{os.getpid()}-"
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY_DIRECTORY if fits else None))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def home(run_directory: Path) -> Path:
    """Create a CRM_HOME for a stack that only this test uses.

    `tmp_path` does not work here: if root runs the tests, the servers' account cannot enter it.
    """
    return Path(tempfile.mkdtemp(dir=run_directory))


@pytest.fixture(scope="session")
def server_url(run_directory: Path) -> Iterator[str]:
    """Provide a PostgreSQL server: DATABASE_URL, the release CRM_TEST_POSTGRES, or the wheel's."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    major = os.environ.get("CRM_TEST_POSTGRES")
    release = release_of(major) if major else None
    server = Postgres(run_directory / "postgres", durable=False, release=release)
    server.start()
    yield server.url()
    server.stop()


@pytest.fixture(scope="session")
def bootstrap_servers(run_directory: Path) -> Iterator[str]:
    """Provide a broker: KAFKA_BOOTSTRAP_SERVERS, CRM_TEST_BROKER=kafka, or the embedded one."""
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield address
        return
    server = make_broker(run_directory / "broker")
    server.start()
    yield server.bootstrap_servers
    server.stop()


def make_broker(directory: Path) -> Broker | Kafka:
    """Return a broker of this run's kind that is not started, for a test that needs its own."""
    return Kafka(directory) if os.environ.get("CRM_TEST_BROKER") == "kafka" else Broker(directory)


@pytest.fixture(scope="session")
def pooler(run_directory: Path, server_url: str) -> Iterator[PgBouncer | None]:
    """Provide PgBouncer in front of the server if CRM_TEST_POOLER is set, else None."""
    if not os.environ.get("CRM_TEST_POOLER"):
        yield None
        return
    bouncer = PgBouncer(run_directory / "pgbouncer", server_url, {LOGIN: LOGIN}, sessions=20)
    bouncer.start()
    yield bouncer
    bouncer.stop()


@pytest.fixture(scope="session")
async def template_database(server_url: str) -> AsyncIterator[str]:
    """Create the database that is migrated once and copied for every test; yield its name."""
    name = f"crm_template_{uuid4().hex[:12]}"
    await _execute(server_url, f"CREATE DATABASE {name}")
    url = with_database(server_url, name)
    await asyncio.to_thread(migrate, url)
    await _create_login(server_url)
    await _execute(url, GRANT_HOST_TABLES)
    await prepare_key_store(make_settings(url, "127.0.0.1:9", Path()))
    yield name
    await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database_url(server_url: str, template_database: str) -> AsyncIterator[str]:
    """Create a migrated, empty database for one test; yield the owner's address of it."""
    async with create_database(server_url, template_database) as url:
        yield url


@asynccontextmanager
async def create_database(server_url: str, template_database: str) -> AsyncIterator[str]:
    """Create a migrated, empty database for a block; yield the owner's address of it."""
    name = f"crm_test_{uuid4().hex[:12]}"
    await _execute(
        server_url, f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY FILE_COPY"
    )
    try:
        yield with_database(server_url, name)
    finally:
        await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def key_store_url(server_url: str) -> AsyncIterator[str]:
    """Create a database with only a key store; yield the address of the login role."""
    name = f"crm_keys_{uuid4().hex[:12]}"
    await _execute(server_url, f"CREATE DATABASE {name}")
    url = with_database(server_url, name)
    await _create_login(server_url)
    await create_schema(make_settings(url, "127.0.0.1:9", Path()))
    yield as_login(url)
    await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def direct_settings(database_url: str, tmp_path: Path) -> Settings:
    """Return the settings of a process in production that reaches the database without a pooler."""
    return make_settings(as_login(database_url), "127.0.0.1:9", tmp_path)


@pytest.fixture
def settings(
    direct_settings: Settings, database_url: str, tmp_path: Path, pooler: PgBouncer | None
) -> Settings:
    """Return the settings of a process in production, without a broker."""
    if pooler is None:
        return direct_settings
    return make_settings(
        pooler.url(as_login(database_url)), "127.0.0.1:9", tmp_path, database_pooler="transaction"
    )


@pytest.fixture
def owner_settings(settings: Settings, database_url: str, pooler: PgBouncer | None) -> Settings:
    """Return the same settings with the address of the database's owner, a superuser.

    Commands that work as the owner need it: migrations, rebuilds, adoption.
    """
    url = database_url if pooler is None else pooler.url(database_url)
    return settings.model_copy(update={"database_url": SecretStr(url)})


def use_database(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Let `crm` use the database of these settings, through the pooler if the run has one."""
    monkeypatch.setenv("DATABASE_URL", settings.dsn)
    monkeypatch.setenv("CRM_DATABASE_POOLER", settings.database_pooler)


@pytest.fixture
def kafka_settings(settings: Settings, bootstrap_servers: str) -> Settings:
    """Return the same settings with the run's broker."""
    return settings.model_copy(update={"kafka_bootstrap_servers": bootstrap_servers})


@pytest.fixture
def bare_settings(tmp_path: Path) -> Settings:
    """Return settings for code that uses no server of the core: their addresses do not answer."""
    return make_settings("postgresql://nobody@127.0.0.1:9/none", "127.0.0.1:9", tmp_path)


def make_settings(database_url: str, bootstrap_servers: str, home: Path, **more: Any) -> Settings:
    """Return settings with topic names that no other test uses."""
    values: dict[str, Any] = {
        "database_url": SecretStr(database_url),
        "kafka_bootstrap_servers": bootstrap_servers,
        "topic_prefix": f"t{uuid4().hex[:12]}",
        "home": home,
        "jwt_secret": SecretStr(JWT_SECRET),
        "pool_size": 5,
        "caller_seconds": 0,  # `test_access_changes.py` tests it
        "api_processes": 1,  # `test_workers.py` runs several
        **dict.fromkeys(LIMITS, ""),  # all requests of the tests come from one address
        **more,
    }
    return Settings(**values)


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """Open the asyncpg pool of a worker: connections as `service_role`."""
    async with pooled(settings, "test") as worker_pool:
        yield worker_pool


@pytest.fixture
async def owner_pool(owner_settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool of the database's owner, for DDL, rebuilds and damage that a test does."""
    async with pooled(owner_settings, "test owner", role=None) as superuser_pool:
        yield superuser_pool


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Open the SQLAlchemy engine of a worker: connections as `service_role`."""
    worker_engine = open_engine(settings, "test")
    yield worker_engine
    await worker_engine.dispose()


def with_database(url: str, name: str) -> str:
    """Return the address of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def as_login(url: str) -> str:
    """Return the same address with the login role of the tests instead of the owner."""
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{LOGIN}:{LOGIN}@{server}"))


async def _create_login(server_url: str) -> None:
    """Create the login role once per server; workers of a parallel run can share a server.

    The lock prevents "tuple concurrently updated" of parallel GRANTs.
    """
    await _execute(server_url, f"BEGIN; SELECT pg_advisory_xact_lock(4711); {CREATE_LOGIN} COMMIT")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
