"""Child processes: ready when they say so, back after a crash, given up when they keep crashing."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.local_stack import children
from services.local_stack.child_process import StackError, has_ended, spawn, wait_until
from services.local_stack.children import Child, Watch
from services.local_stack.leftovers import end_leftovers
from services.local_stack.ports import free_port

pytestmark = pytest.mark.stack

SERVER = """
import http.server, signal, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *words): pass
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""

Make = Callable[..., Child]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Child] = []

    def _make(code: str = SERVER, *arguments: str) -> Child:
        port = free_port()
        command = (sys.executable, "-c", code, str(port), *arguments)
        made.append(Child("server", port, tmp_path / "server.log", {}, command))
        return made[-1]

    yield _make
    for child in made:
        child.stop(0)


@pytest.fixture
def watch() -> Iterator[Callable[[Child], list[str]]]:
    watches: list[Watch] = []

    def _watch(child: Child) -> list[str]:
        notices: list[str] = []
        watches.append(Watch([child], notices.append))
        watches[-1].start()
        return notices

    yield _watch
    for one in watches:
        one.end()


def test_a_killed_child_is_started_again(make: Make, watch: Callable[[Child], list[str]]) -> None:
    child = make()
    child.start()
    notices = watch(child)
    child.wait_ready()
    pid = child.pid
    child.kill()
    assert wait_until(lambda: child.pid != pid and child.is_ready(), 20)
    assert notices == ["server ended unasked, starting it again in 0.2 s"]


def test_a_stopped_child_is_not_started_again(
    make: Make, watch: Callable[[Child], list[str]]
) -> None:
    child = make()
    child.start()
    notices = watch(child)
    child.wait_ready()
    pid = child.pid
    child.stop()
    assert pid is not None
    assert has_ended(pid)
    assert not wait_until(lambda: child.runs, 4 * children.WATCH_SECONDS)
    assert notices == []


def test_a_child_that_keeps_crashing_is_given_up_and_its_log_shown(
    make: Make, watch: Callable[[Child], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "LONGEST_PAUSE_SECONDS", 0.05)
    child = make("raise SystemExit('no such table')")
    child.start()
    watch(child)
    with pytest.raises(StackError, match="no such table"):
        child.wait_ready(30)
    assert child.gave_up
    assert child.crashes == children.MOST_CRASHES + 1


def test_the_pauses_between_crashes_grow_to_a_bound(make: Make) -> None:
    child = make()
    child.started = now = time.monotonic()
    pauses = []
    for _ in range(children.MOST_CRASHES):
        child.plan_restart(now)
        pauses.append((child.restart_at or 0) - now)
    assert pauses == sorted(pauses)
    assert pauses[0] == pytest.approx(children.FIRST_PAUSE_SECONDS)
    doubled = children.FIRST_PAUSE_SECONDS * 2 ** (children.MOST_CRASHES - 1)
    assert pauses[-1] == pytest.approx(min(doubled, children.LONGEST_PAUSE_SECONDS))
    child.plan_restart(now + children.STEADY_SECONDS + 1)
    assert child.crashes == 1


def test_a_child_deaf_to_sigterm_is_killed(make: Make) -> None:
    child = make(SERVER, "deaf")
    child.start()
    child.wait_ready()
    pid = child.pid
    assert pid is not None
    child.stop(0.2)
    assert has_ended(pid)


def test_what_a_killed_stack_left_behind_is_ended_and_nothing_else(tmp_path: Path) -> None:
    """Real modules of ours are told apart by their home: a stub package stands for them."""
    package = tmp_path / "services"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sleeper.py").write_text("import threading; threading.Event().wait(60)")
    command = [sys.executable, "-m", "services.sleeper"]
    ours, others = tmp_path / "ours", tmp_path / "others"
    log = tmp_path / "log"
    mine = spawn(command, log=log, cwd=tmp_path, env={"CRM_HOME": str(ours), "PYTHONPATH": "."})
    other = spawn(command, log=log, cwd=tmp_path, env={"CRM_HOME": str(others), "PYTHONPATH": "."})
    assert end_leftovers(ours) == [mine]
    assert has_ended(mine)
    assert not has_ended(other)
    assert end_leftovers(others) == [other]
