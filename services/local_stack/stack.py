"""The whole core on one machine: PostgreSQL, a broker, migrations, every process; and its end."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pydantic import SecretStr

from services.local_stack.child_process import StackError
from services.local_stack.children import Child, Watch
from services.local_stack.directory import Home
from services.local_stack.drain import drain
from services.local_stack.ports import free_port, is_free
from services.local_stack.servers import Servers
from services.runtime.migrations import migrate
from services.runtime.settings import Settings, as_environment
from services.runtime.stack_state import home_directory

PROCESSES = ("relay", "projector", "intake", "timers", "api")
STOP_ORDER = ("api", "timers", "intake", "relay", "projector")
T = TypeVar("T")


def _in_thread(work: Callable[[], T]) -> T:
    """Run what brings its own event loop, also where one is running already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def child_of(name: str, settings: Settings, logs: Path, port: int) -> Child:
    """`services.<name>` with these settings, to be started; it tells its health on `port`."""
    env = {**as_environment(settings), "CRM_HEALTH_PORT": str(port)}
    return Child(name, port, logs / f"{name}.log", env, (sys.executable, "-m", f"services.{name}"))


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
        self.home = Home(home or home_directory())
        self.logs = self.home.logs
        self.servers = Servers(self.home, durable=durable, notice=notice)
        self.children: dict[str, Child] = {}
        self._http_port = http_port
        self._processes = processes
        self._notice = notice
        self._settings: Settings | None = None
        self._watch: Watch | None = None

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
        self.home.take()
        try:
            self._settings = self._configure(*self.servers.start())
            self._notice("migrating the database")
            _in_thread(lambda: migrate(self.settings.dsn))
            self._start_processes()
        except BaseException:
            try:
                self.stop()
            except StackError as another:
                self._notice(str(another))
            raise

    def stop(self) -> None:
        """Producers first, then drain the intake, then the rest; data stay. Safe to repeat.

        Each is ended whatever went wrong with those before it.
        """
        if self._watch is not None:
            self._watch.end()
        with ExitStack() as ending:  # what was put last is done first
            ending.callback(self.home.leave)
            ending.callback(self.servers.stop)
            for name in reversed([name for name in STOP_ORDER if name in self.children]):
                ending.callback(self._end, self.children[name])

    def _end(self, child: Child) -> None:
        """Only a broker that forgets needs draining: elsewhere records wait for the next start."""
        try:
            if child.name == "intake" and self.servers.forgets:
                _in_thread(lambda: drain(child, self.settings, self._notice))
        finally:
            self._notice(f"stopping {child.name}")
            child.stop()

    def _configure(self, database_url: str, bootstrap_servers: str) -> Settings:
        return Settings(
            database_url=SecretStr(database_url),
            kafka_bootstrap_servers=bootstrap_servers,
            home=self.home.directory,
            http_port=self._choose_http_port(),
            jwt_secret=SecretStr(self.home.jwt_secret()),
            limit_address=os.environ.get("CRM_LIMIT_ADDRESS", ""),  # all come from this machine,
            limit_key=os.environ.get("CRM_LIMIT_KEY", ""),  # and simulated ones come fast
        )

    def _start_processes(self) -> None:
        for name in self._processes:
            port = self.settings.http_port if name == "api" else free_port()
            self.children[name] = child_of(name, self.settings, self.logs, port)
        children = list(self.children.values())
        for child in children:
            self._notice(f"starting {child.name}")
            child.start()
        self._watch = Watch(children, self._notice)
        self._watch.start()
        self.home.publish(self.settings, {child.name: child.url for child in children})
        for child in children:
            child.wait_ready()

    def _choose_http_port(self) -> int:
        if self._http_port is not None:
            return self._http_port or free_port()
        if given := os.environ.get("CRM_HTTP_PORT"):
            return int(given) or free_port()
        usual = int(Settings.model_fields["http_port"].default)
        return usual if is_free(usual) else free_port()
