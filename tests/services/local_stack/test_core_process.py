"""Processes of the core: readiness, restarts after a crash, and the end of restarts."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.local_stack import core_process, supervisor
from services.local_stack.child_process import StackError, has_ended, spawn, wait_until
from services.local_stack.core_process import CoreProcess
from services.local_stack.leftovers import end_leftovers
from services.local_stack.ports import free_port
from services.local_stack.supervisor import ProcessSupervisor

pytestmark = pytest.mark.stack

SERVER = """
import http.server, signal, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *words): pass
if "ignore-sigterm" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""

MakeProcess = Callable[..., CoreProcess]
Supervise = Callable[[CoreProcess], list[str]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeProcess]:
    processes: list[CoreProcess] = []

    def _make(code: str = SERVER, *arguments: str) -> CoreProcess:
        port = free_port()
        command = (sys.executable, "-c", code, str(port), *arguments)
        log = tmp_path / "server.log"
        processes.append(CoreProcess("server", port, log, {}, command))
        return processes[-1]

    yield _make
    for process in processes:
        process.stop(0)


@pytest.fixture
def supervise() -> Iterator[Supervise]:
    supervisors: list[ProcessSupervisor] = []

    def _supervise(process: CoreProcess) -> list[str]:
        notices: list[str] = []
        supervisors.append(ProcessSupervisor([process], notices.append))
        supervisors[-1].start()
        return notices

    yield _supervise
    for supervisor_ in supervisors:
        supervisor_.stop()


def test_a_killed_process_is_started_again(make: MakeProcess, supervise: Supervise) -> None:
    process = make()
    process.start()
    notices = supervise(process)
    process.wait_ready()
    pid = process.pid
    process.kill()
    assert wait_until(lambda: process.pid != pid and process.is_ready(), 120)
    assert notices == ["server ended unexpectedly, starting it again in 0.2 s"]


def test_a_stopped_process_is_not_started_again(make: MakeProcess, supervise: Supervise) -> None:
    process = make()
    process.start()
    notices = supervise(process)
    process.wait_ready()
    pid = process.pid
    process.stop()
    assert pid is not None
    assert has_ended(pid)
    assert not wait_until(lambda: process.is_running, 4 * supervisor.CHECK_SECONDS)
    assert notices == []


def test_a_process_that_keeps_crashing_is_not_restarted_and_its_log_is_shown(
    make: MakeProcess, supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_process, "MAX_PAUSE_SECONDS", 0.05)
    process = make("raise SystemExit('no such table')")
    process.start()
    supervise(process)
    with pytest.raises(StackError, match="no such table"):
        process.wait_ready(30)
    assert process.has_given_up
    assert process.crashes == core_process.MAX_CRASHES + 1


def test_the_pause_after_a_crash_grows_up_to_a_maximum(make: MakeProcess) -> None:
    process = make()
    process.started = now = time.monotonic()
    pauses = []
    for _ in range(core_process.MAX_CRASHES):
        process.plan_restart(now)
        pauses.append((process.restart_at or 0) - now)
    assert pauses == sorted(pauses)
    assert pauses[0] == pytest.approx(core_process.FIRST_PAUSE_SECONDS)
    doubled = core_process.FIRST_PAUSE_SECONDS * 2 ** (core_process.MAX_CRASHES - 1)
    assert pauses[-1] == pytest.approx(min(doubled, core_process.MAX_PAUSE_SECONDS))
    process.plan_restart(now + core_process.STEADY_SECONDS + 1)
    assert process.crashes == 1


def test_a_process_that_ignores_sigterm_is_killed(make: MakeProcess) -> None:
    process = make(SERVER, "ignore-sigterm")
    process.start()
    process.wait_ready()
    pid = process.pid
    assert pid is not None
    process.stop(0.2)
    assert has_ended(pid)


def test_only_the_processes_of_a_killed_stack_are_ended(tmp_path: Path) -> None:
    """Run a stub package as a process of two stacks, which differ in CRM_HOME."""
    package = tmp_path / "services"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sleeper.py").write_text("import threading; threading.Event().wait(60)")
    command = [sys.executable, "-m", "services.sleeper"]
    first_home, second_home = tmp_path / "first", tmp_path / "second"
    log = tmp_path / "log"
    first, second = (
        spawn(command, log=log, cwd=tmp_path, env={"CRM_HOME": str(home), "PYTHONPATH": "."})
        for home in (first_home, second_home)
    )
    assert end_leftovers(first_home) == [first]
    assert has_ended(first)
    assert not has_ended(second)
    assert end_leftovers(second_home) == [second]
