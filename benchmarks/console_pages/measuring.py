"""Requests for every page: time, CPU time of the API and of PostgreSQL, and weight."""

import gzip
import http.client
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.console_pages.statements import Statement
from benchmarks.console_pages.visits import Person, Visit
from benchmarks.http.load import HOST
from events.log.connection import Connection
from services.api.console.viewers import COOKIE

WARM_UP = 6
"""After five executions PostgreSQL may use a plan for any values."""
OK = 200
SIGN_IN = 303
TIMEOUT_SECONDS = 60.0
STATIC = re.compile(rb'(?:src|href)="(/console/static/[^"]+)"')
MILLISECOND = 1_000_000


@dataclass(slots=True)
class PageResult:
    """The measured requests for a page, in milliseconds, and its weight in bytes."""

    name: str
    roles: tuple[str, ...]
    wall: list[float] = field(default_factory=list)
    api: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    body_bytes: int = 0
    sent_bytes: int = 0
    """The bytes of the body as they are sent, compressed if they are."""
    statics: frozenset[str] = frozenset()
    statements: Sequence[Statement] = ()

    @property
    def cpu(self) -> list[float]:
        return [api + database for api, database in zip(self.api, self.database, strict=True)]

    @property
    def rows(self) -> int:
        """The rows that all statements of one request read."""
        return sum(statement.rows for statement in self.statements)


class Browser:
    """One connection to the server, without a window."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)

    def get(self, path: str, person: Person) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and the body as it was sent."""
        headers = {
            "Cookie": f"{COOKIE}={person.token}", "Accept": "text/html",
            "Accept-Encoding": "gzip, br",
        }  # fmt: skip
        self._connection.request("GET", path, headers=headers)
        response = self._connection.getresponse()
        found = {name.lower(): text for name, text in response.getheaders()}
        return response.status, found, response.read()


class CpuClock:
    """The CPU time of the processes of a server and of its database sessions, on Linux."""

    def __init__(self, server: int, backends: Sequence[int]) -> None:
        process = psutil.Process(server)
        self._server = [server, *(child.pid for child in process.children(recursive=True))]
        self._backends = backends

    def read(self) -> tuple[int, int]:
        """Return the nanoseconds of the server and of its database sessions until now."""
        return _run_nanoseconds(self._server), _run_nanoseconds(self._backends)


def _run_nanoseconds(pids: Sequence[int]) -> int:
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except OSError:  # it has ended
                continue
    return total


async def find_sessions(conn: Connection) -> list[int]:
    """Return the process ids of the API's sessions in the database."""
    rows = await conn.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name LIKE 'crm api%'"
    )
    return [row["pid"] for row in rows]


def find_readers(browser: Browser, visit: Visit, people: Sequence[Person]) -> list[Person]:
    """Return who may open a page. Raise `LookupError` if it is nobody."""
    answers = {person.role: browser.get(visit.path, person) for person in people}
    readers = [person for person in people if answers[person.role][0] in (OK, SIGN_IN)]
    readers = [one for one in readers if "sign-in" not in answers[one.role][1].get("location", "")]
    if not readers:
        problems = {role: (status, body[:2000]) for role, (status, _, body) in answers.items()}
        raise LookupError(f"nobody may open {visit.path}: {problems}")
    return readers


async def measure_page(
    browser: Browser, conn: Connection, server: int, visit: Visit, people: Sequence[Person],
    requests: int,
) -> PageResult:  # fmt: skip
    """Request a page as each person in turn."""
    readers = find_readers(browser, visit, people)
    for number in range(WARM_UP * len(readers)):
        browser.get(visit.path, readers[number % len(readers)])
    result = PageResult(visit.name, tuple(person.role for person in readers))
    clock = CpuClock(server, await find_sessions(conn))
    for number in range(requests):
        person = readers[number % len(readers)]
        api, database = clock.read()
        began = time.perf_counter()
        _, headers, sent = browser.get(visit.path, person)
        result.wall.append((time.perf_counter() - began) * 1_000)
        api_after, database_after = clock.read()
        result.api.append((api_after - api) / MILLISECOND)
        result.database.append((database_after - database) / MILLISECOND)
        if len(sent) > result.sent_bytes:
            body = gzip.decompress(sent) if headers.get("content-encoding") == "gzip" else sent
            result.sent_bytes, result.body_bytes = len(sent), len(body)
            result.statics = frozenset(found.decode() for found in STATIC.findall(body))
    return result
