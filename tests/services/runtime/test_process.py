"""The frame of a process: what ends it, what it survives, and the first of several tasks."""

import asyncio

import asyncpg
import pytest

from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, is_fault
from services.runtime.health import collect_problems
from services.runtime.process import Checks, survive_faults
from services.runtime.settings import Settings
from tests.conftest import until

FAULTS = [
    asyncpg.UndefinedTableError("no table"),
    asyncpg.UndefinedColumnError("no column"),
    asyncpg.InsufficientPrivilegeError("no privilege"),
    asyncpg.InvalidPasswordError("wrong password"),
    asyncpg.InvalidCatalogNameError("no database"),
    asyncpg.CheckViolationError("wrong row"),
]
LOST_CONNECTIONS = [
    ConnectionRefusedError(),
    TimeoutError(),
    asyncpg.ConnectionDoesNotExistError("closed"),
    asyncpg.AdminShutdownError("restart"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.TooManyConnectionsError("full"),
    asyncpg.InterfaceError("connection is closed"),
]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_an_error_that_needs_a_repair_is_a_fault(error: Exception) -> None:
    assert is_fault(error)
    assert not isinstance(error, CONNECTION_ERRORS)


@pytest.mark.parametrize("error", LOST_CONNECTIONS, ids=lambda error: type(error).__name__)
def test_a_lost_connection_is_not_a_fault(error: Exception) -> None:
    assert isinstance(error, CONNECTION_ERRORS)
    assert not is_fault(error)


def test_a_deadlock_is_neither_a_fault_nor_a_lost_connection() -> None:
    error = asyncpg.DeadlockDetectedError("deadlock")
    assert not is_fault(error)
    assert not isinstance(error, CONNECTION_ERRORS)


async def test_a_process_reports_a_fault_and_continues_after_the_repair(
    settings: Settings,
) -> None:
    stop, checks, attempts = asyncio.Event(), Checks(), 0
    is_repaired = False

    async def work(_settings: Settings, stop: asyncio.Event, checks: Checks, _clock: Clock) -> None:
        nonlocal attempts
        attempts += 1
        if not is_repaired:
            raise asyncpg.UndefinedTableError('relation "tours" does not exist')
        checks["work"] = _pass
        await stop.wait()

    running = asyncio.create_task(survive_faults(work, settings, stop, checks, Clock()))
    await until(lambda: attempts == 2)
    problems = await collect_problems(checks)
    assert problems == {"fault": 'UndefinedTableError: relation "tours" does not exist'}
    is_repaired = True

    async def is_ready() -> bool:
        return "work" in checks and not await collect_problems(checks)

    await until(is_ready)
    assert attempts == 3
    stop.set()
    await running


async def test_any_other_error_ends_the_process(settings: Settings) -> None:
    async def work(*_: object) -> None:
        raise ConnectionRefusedError("no database")

    with pytest.raises(ConnectionRefusedError):
        await survive_faults(work, settings, asyncio.Event(), Checks(), Clock())


async def test_a_process_with_a_fault_can_be_stopped(settings: Settings) -> None:
    stop = asyncio.Event()

    async def work(*_: object) -> None:
        stop.set()
        raise asyncpg.UndefinedTableError("no table")

    async with asyncio.timeout(5):
        await survive_faults(work, settings, stop, Checks(), Clock())


async def _pass() -> str | None:
    return None
