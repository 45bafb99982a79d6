"""The frame of a worker process: settings, logs, health, clock, and a clean stop on a signal."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from events.keys.errors import DataKeyMissing, MasterKeyMissing
from events.keys.master import WrongMasterKey
from events.log.erasures import ErasuresLost, ErasuresNotFolded
from events.log.error_text import describe_error
from services.runtime.clock import Clock, open_clock
from services.runtime.database import (
    CONNECTION_ERRORS,
    PoolerSettingMissing,
    is_fault,
)
from services.runtime.environment import explain
from services.runtime.health import Check, serve_health
from services.runtime.key_store import prepare_key_store, require_applied_erasures
from services.runtime.listening import StartError
from services.runtime.logging import configure_logging, get_logger
from services.runtime.metrics import MISSING_KEYS
from services.runtime.reachability import Need, UnreachableServer, require_servers
from services.runtime.settings import Settings
from services.runtime.table_fit import UnfitTables
from services.runtime.tracing import configure_tracing

Checks = dict[str, Check]
ProcessFunction = Callable[[Settings, asyncio.Event, Checks, Clock], Awaitable[None]]
"""The work of a process until the event is set. It adds its health checks to `Checks`."""

FAULT_PAUSE_SECONDS = 1.0
"""Pause before a process that met a fault of the database starts its work again."""
FAULT_REPORT_SECONDS = 5.0
"""Time for which /readyz reports a fault that did not occur again."""

OPERATOR = "operator"
"""The name of the check that says what an operator must do."""

log = get_logger("process")
WRONG_SETTINGS, UNREACHABLE = 2, 3
"""Exit codes: an operator must change something; a server cannot be reached now."""


class OperatorRequired(Exception):
    """An operator must do something while the process runs. The message says what."""


def run_process(name: str, work: ProcessFunction, needs: tuple[Need, ...] = ()) -> None:
    """Run `work` until it ends or SIGTERM or SIGINT sets its event.

    Write one line and exit with a code of its own if the settings are wrong, a port is in use, or
    one of the servers in `needs` cannot be reached.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        exit_with_line(name, explain(error), WRONG_SETTINGS)
    configure_logging(name, form=settings.log_format, level=settings.log_level)
    configure_tracing(name)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        run_or_exit(name, runner, _run(name, settings, work, needs))


def run_or_exit(name: str, runner: asyncio.Runner, main: Coroutine[Any, Any, None]) -> None:
    """Run the main coroutine of a process; end it with one line after an error of its servers."""
    try:
        runner.run(main)
    except (
        StartError,
        PoolerSettingMissing,
        MasterKeyMissing,
        WrongMasterKey,
        ErasuresLost,
    ) as error:
        exit_with_line(name, str(error), WRONG_SETTINGS)
    except UnreachableServer as error:
        exit_with_line(name, str(error), UNREACHABLE)
    except (*CONNECTION_ERRORS, KafkaError) as error:
        text = describe_error(error)
        exit_with_line(name, f"a server is no longer reachable ({text})", UNREACHABLE)


def exit_with_line(name: str, text: str, code: int) -> NoReturn:
    """Write the line of a process that cannot go on, and exit."""
    sys.stderr.write(f"{name}: {text}\n")
    raise SystemExit(code)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's loop if it is installed, else the default loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _run(
    name: str, settings: Settings, work: ProcessFunction, needs: tuple[Need, ...]
) -> None:
    stop = stop_event()
    checks: Checks = {}
    process_log = get_logger(name)
    async with serve_health(checks, host=settings.health_host, port=settings.health_port):
        process_log.info("process.started")
        await require_servers(settings, needs)
        await prepare_key_store(settings)
        await require_applied_erasures(settings)
        await survive_faults(work, settings, stop, checks, open_clock(settings.clock_delay_file))
        process_log.info("process.stopped")


async def survive_faults(
    work: ProcessFunction, settings: Settings, stop: asyncio.Event, checks: Checks, clock: Clock
) -> None:
    """Run `work`; after a fault of the database report it and start `work` again.

    An operator repairs what the fault names. Until then /readyz and the log give the message.
    Any other error ends the process.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            await work(settings, stop, checks, clock)
        except (OperatorRequired, UnfitTables, DataKeyMissing, ErasuresNotFolded) as error:
            if isinstance(error, DataKeyMissing):
                MISSING_KEYS.inc()
            log.error("process.waits_for_operator", problem=error, is_retry=True)
            checks.clear()
            checks[OPERATOR] = _fault_check(str(error), loop.time() + FAULT_REPORT_SECONDS)
        except Exception as error:
            if not is_fault(error):
                raise
            text = describe_error(error)
            log.error("process.database_fault", error=text, is_retry=True)
            checks.clear()
            checks["fault"] = _fault_check(text, loop.time() + FAULT_REPORT_SECONDS)
        else:
            return
        if await sleep_unless(stop, FAULT_PAUSE_SECONDS):
            return


def _fault_check(text: str, until: float) -> Check:
    """Return a check that reports the fault until loop time `until`.

    The work starts again without knowing whether the fault is repaired. If it is not, the next
    attempt fails and sets a new check.
    """

    async def check() -> str | None:
        return text if asyncio.get_running_loop().time() < until else None

    return check


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def sleep_unless(stop: asyncio.Event, seconds: float) -> bool:
    """Sleep between two rounds of a worker; return True at once when `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True
