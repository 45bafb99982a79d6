"""The whole core on one machine: PostgreSQL, a broker, migrations, every process; and its end."""

import asyncio
import fcntl
import os
import secrets
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pydantic import SecretStr

from events.bus.topics import Topics
from services.runtime.migrate import migrate
from services.runtime.settings import Settings, as_environment
from services.runtime.state import (
    StackState,
    forget_state,
    home_directory,
    write_state,
)
from services.stack.broker import Broker
from services.stack.children import Child, Watch
from services.stack.drain import drained
from services.stack.leftovers import end_leftovers
from services.stack.ports import free_port, is_free
from services.stack.postgres import Postgres
from services.stack.process import StackError

PROCESSES = ("relay", "projector", "intake", "timers", "api")
STOP_ORDER = ("api", "timers", "intake", "relay", "projector")
DRAIN_SECONDS = 30.0
DATABASE = "crm"
T = TypeVar("T")


def _in_thread(work: Callable[[], T]) -> T:
    """Run what brings its own event loop, also where one is running already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _say_nothing(_text: str) -> None: ...


class Stack:
    """Start it, use `settings` and `api_url`, stop it; or `with Stack() as stack`.

    Its data stay in `home`. DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS, where set, are used instead
    of servers of its own. `processes` names those to run; `durable=False` is for tests.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        http_port: int | None = None,
        processes: tuple[str, ...] = PROCESSES,
        durable: bool = True,
        notice: Callable[[str], None] = _say_nothing,
    ) -> None:
        self.home = (home or home_directory()).resolve()
        self.logs = self.home / "logs"
        self.postgres: Postgres | None = None
        self.broker: Broker | None = None
        self.children: dict[str, Child] = {}
        self._http_port = http_port
        self._processes = processes
        self._durable = durable
        self._notice = notice
        self._settings: Settings | None = None
        self._watch: Watch | None = None
        self._lock: int | None = None

    @property
    def settings(self) -> Settings:
        """How to reach what runs; only after `start`."""
        if self._settings is None:
            raise StackError("the stack has not been started")
        return self._settings

    @property
    def api_url(self) -> str:
        return self.children["api"].url

    @property
    def failed(self) -> list[str]:
        """The processes that crashed too often to be started again."""
        return [child.name for child in self.children.values() if child.gave_up]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Bring everything up and return when every process says that it is ready."""
        self._take_home()
        try:
            self._start_servers()
            self._start_processes()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Producers first, then drain the intake, then the rest; data stay. Safe to repeat."""
        if self._watch is not None:
            self._watch.end()
        for name in STOP_ORDER:
            if name in self.children:
                if name == "intake":
                    self._drain_intake()
                self._notice(f"stopping {name}")
                self.children[name].stop()
        if self.broker is not None:
            self._notice("stopping the broker")
            self.broker.stop()
        if self.postgres is not None:
            self._notice("stopping PostgreSQL")
            self.postgres.stop()
        self._leave_home()

    def _take_home(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise StackError(
                f"a stack already runs in {self.home}: stop it with `crm down`, "
                "or set CRM_HOME to another directory"
            ) from None
        end_leftovers(self.home)

    def _leave_home(self) -> None:
        if self._lock is not None:
            forget_state(self.home)
            os.close(self._lock)
            self._lock = None

    def _start_servers(self) -> None:
        database_url = os.environ.get("DATABASE_URL")
        if not database_url:
            self._notice("starting PostgreSQL")
            self.postgres = Postgres(
                self.home / "postgres", durable=self._durable, log=self.logs / "postgres.log"
            )
            self.postgres.start()
            self.postgres.ensure_database(DATABASE)
            database_url = self.postgres.url(DATABASE)
        servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if not servers:
            self._notice("starting the broker")
            self.broker = Broker(self.home / "broker", log=self.logs / "broker.log")
            self.broker.start()
            servers = self.broker.bootstrap_servers
        self._settings = Settings(
            database_url=SecretStr(database_url),
            kafka_bootstrap_servers=servers,
            home=self.home,
            http_port=self._choose_http_port(),
            jwt_secret=SecretStr(self._jwt_secret()),
        )
        self._notice("migrating the database")
        _in_thread(lambda: migrate(self.settings.dsn))

    def _start_processes(self) -> None:
        for name in self._processes:
            port = self.settings.http_port if name == "api" else free_port()
            env = {**as_environment(self.settings), "CRM_HEALTH_PORT": str(port)}
            command = (sys.executable, "-m", f"services.{name}")
            self.children[name] = Child(name, port, self.logs / f"{name}.log", env, command)
        children = list(self.children.values())
        for child in children:
            self._notice(f"starting {child.name}")
            child.start()
        self._watch = Watch(children, self._notice)
        self._watch.start()
        self._write_state()
        for child in children:
            child.wait_ready()

    def _write_state(self) -> None:
        settings = self.settings
        assert settings.jwt_secret is not None  # noqa: S101 — set in _start_servers
        write_state(
            self.home,
            StackState(
                pid=os.getpid(),
                settings={
                    "database_url": settings.dsn,
                    "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
                    "topic_prefix": settings.topic_prefix,
                    "jwt_secret": settings.jwt_secret.get_secret_value(),
                    "home": str(self.home),
                    "http_port": str(settings.http_port),
                },
                urls={name: child.url for name, child in self.children.items()},
            ),
        )

    def _drain_intake(self) -> None:
        """Only a broker that forgets needs it: elsewhere the records wait for the next start."""
        if self.broker is None or not self.broker.forgets or not self.children["intake"].runs:
            return
        self._notice("draining the intake")
        settings = self.settings
        topic = Topics.of(settings.topic_prefix).intake
        left = _in_thread(
            lambda: asyncio.run(
                drained(settings.kafka_bootstrap_servers, topic, topic, DRAIN_SECONDS)
            )
        )
        if left:
            self._notice(f"{left} intake records were still unread after {DRAIN_SECONDS:g} s")

    def _choose_http_port(self) -> int:
        if self._http_port is not None:
            return self._http_port or free_port()
        if given := os.environ.get("CRM_HTTP_PORT"):
            return int(given) or free_port()
        usual = int(Settings.model_fields["http_port"].default)
        return usual if is_free(usual) else free_port()

    def _jwt_secret(self) -> str:
        """CRM_JWT_SECRET, or one made once for this home, so that tokens outlive a restart."""
        if given := os.environ.get("CRM_JWT_SECRET"):
            return given
        file = self.home / "jwt-secret"
        if not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as out:
                out.write(secrets.token_urlsafe(48))
        return file.read_text(encoding="ascii")
