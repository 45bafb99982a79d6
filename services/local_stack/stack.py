"""The local stack: PostgreSQL, a broker, migrations and every process on this machine."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import SecretStr

from services.local_stack.child_process import StackError
from services.local_stack.core_process import CoreProcess
from services.local_stack.drain import describe_lost_records, drain
from services.local_stack.http_port import choose_http_port
from services.local_stack.ports import HOST, free_port
from services.local_stack.server_supervisor import ServerSupervisor
from services.local_stack.servers import Servers
from services.local_stack.stack_directory import StackDirectory
from services.local_stack.supervisor import ProcessSupervisor
from services.runtime.environment import to_environment
from services.runtime.key_store import create_key_store
from services.runtime.migrations import migrate
from services.runtime.reachability import DATABASE, KAFKA, require_servers
from services.runtime.setting_types import NO_LIMIT
from services.runtime.settings import Settings
from services.runtime.stack_state import home_directory

PROCESSES = (
    "relay", "projector", "intake", "timers", "workflows", "sender", "replay_worker", "api",
)  # fmt: skip
STOP_ORDER = (
    "api", "replay_worker", "timers", "intake", "workflows", "sender", "relay", "projector",
)  # fmt: skip
"""Order of stopping: producers of events first, so that the others can finish their work."""
T = TypeVar("T")


def _run_in_thread(work: Callable[[], T]) -> T:
    """Run code that starts an event loop, although this thread may run one already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def make_process(name: str, settings: Settings, logs: Path, port: int) -> CoreProcess:
    """Return the process `services.<name>`, not started, with its health routes on `port`."""
    env = {**to_environment(settings), "CRM_HEALTH_PORT": str(port)}
    command = (sys.executable, "-m", f"services.{name}")
    return CoreProcess(name, port, logs / f"{name}.log", env, command)


def _ignore(_text: str) -> None: ...


class Stack:
    """A stack: start it, use `settings` and `api_url`, stop it; or `with Stack() as stack`.

    Its data stays in `home`. If DATABASE_URL or KAFKA_BOOTSTRAP_SERVERS is set, that server is used
    instead of an own one. `processes` names those to run; `durable=False` is for tests; `notice` is
    called with each step.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        http_port: int | None = None,
        processes: tuple[str, ...] = PROCESSES,
        durable: bool = True,
        notice: Callable[[str], None] = _ignore,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = StackDirectory(home or home_directory())
        self.logs = self.directory.logs
        self.servers = Servers(self.directory, durable=durable, notice=notice)
        self.processes: dict[str, CoreProcess] = {}
        self._http_port = http_port
        self._names = processes
        self._notice = notice
        self._changes = dict(changes or {})
        self._settings: Settings | None = None
        self._supervisor: ProcessSupervisor | None = None
        self._server_supervisor: ServerSupervisor | None = None

    @property
    def settings(self) -> Settings:
        """The settings of the running processes; raise `StackError` before `start`."""
        if self._settings is None:
            raise StackError("the stack has not been started")
        return self._settings

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.settings.http_port}"

    @property
    def failed(self) -> list[str]:
        """The processes and servers that failed too often to be started again."""
        servers = self._server_supervisor.failed if self._server_supervisor else []
        return [
            *servers,
            *(process.name for process in self.processes.values() if process.has_given_up),
        ]

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
        """Start everything and wait until every process is ready; stop it all on an error."""
        self.directory.lock()
        try:
            http_port = choose_http_port(self._http_port)
            self._settings = self._configure(*self.servers.start(), http_port)
            # Wrong addresses: one clear error instead of eight processes that do not start.
            needs = require_servers(self.settings, (DATABASE, KAFKA))
            _run_in_thread(lambda: asyncio.run(needs))
            self._notice("migrating the database")
            _run_in_thread(lambda: migrate(self.settings.dsn))
            key_store = create_key_store(self.settings)
            _run_in_thread(lambda: asyncio.run(key_store))
            self._start_processes()
        except BaseException:
            try:
                self.stop()
            except StackError as another:
                self._notice(str(another))
            raise

    def stop(self) -> None:
        """Stop everything in order, also after a failure; the data stays. May be repeated."""
        for supervisor in (self._server_supervisor, self._supervisor):
            if supervisor is not None:
                supervisor.stop()
        with ExitStack() as steps:  # runs the last step that was added first
            steps.callback(self.directory.release)
            steps.callback(self.servers.stop)
            for name in reversed([name for name in STOP_ORDER if name in self.processes]):
                steps.callback(self._stop_process, self.processes[name])

    def _stop_process(self, process: CoreProcess) -> None:
        """Stop a process; drain the intake first if the broker loses unread records."""
        try:
            if process.name == "intake" and self.servers.is_broker_volatile:
                _run_in_thread(lambda: drain(process, self.settings, self._notice))
        finally:
            self._notice(f"stopping {process.name}")
            process.stop()

    def _configure(self, database_url: str, bootstrap_servers: str, http_port: int) -> Settings:
        return Settings(
            database_url=SecretStr(database_url),
            kafka_bootstrap_servers=bootstrap_servers,
            home=self.directory.directory,
            http_port=http_port,
            master_key=SecretStr(self.directory.master_key()),
            jwt_secret=SecretStr(self.directory.jwt_secret()),
            # All requests come from this machine, and simulated ones come fast: no limit.
            # Simulated visitors state their networks as a proxy on this machine would.
            trusted_proxies=os.environ.get("CRM_TRUSTED_PROXIES") or "127.0.0.0/8, ::1",
            limit_address=os.environ.get("CRM_LIMIT_ADDRESS") or NO_LIMIT,
            limit_key=os.environ.get("CRM_LIMIT_KEY") or NO_LIMIT,
            **self._changes,
        )

    def _start_processes(self) -> None:
        for name in self._names:
            self.processes[name] = make_process(name, self.settings, self.logs, free_port())
        processes = list(self.processes.values())
        for process in processes:
            self._notice(f"starting {process.name}")
            process.start()
        self._supervisor = ProcessSupervisor(processes, self._notice)
        self._supervisor.start()
        self.directory.publish(
            self.settings, self.api_url, {process.name: process.url for process in processes}
        )
        watches = self.servers.watches(self._describe_broker_loss)
        self._server_supervisor = ServerSupervisor(watches, self._notice)
        self._server_supervisor.start()
        for process in processes:
            if problem := process.wait_ready():
                self._notice(f"{process.name} waits: {problem}")

    def _describe_broker_loss(self) -> str:
        intake = self.processes.get("intake")
        return "" if intake is None else describe_lost_records(intake)
