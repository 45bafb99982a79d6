"""The frame of a worker process: settings, logs, health, clock, and a clean stop on a signal."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from services.runtime.clock import Clock
from services.runtime.database import is_fault
from services.runtime.environment import explain
from services.runtime.health import Check, serve_health
from services.runtime.logging import configure_logging, get_logger
from services.runtime.settings import Settings

Checks = dict[str, Check]
ProcessFunction = Callable[[Settings, asyncio.Event, Checks, Clock], Awaitable[None]]
"""The work of a process until the event is set. It adds its health checks to `Checks`."""

FAULT_PAUSE_SECONDS = 1.0
"""Pause before a process that met a fault of the database starts its work again."""
FAULT_REPORT_SECONDS = 5.0
"""Time for which /readyz reports a fault that did not occur again."""

log = get_logger("process")


def run_process(name: str, work: ProcessFunction) -> None:
    """Run `work` until it ends or SIGTERM or SIGINT sets its event; exit 2 on wrong settings."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"{name}: {explain(error)}\n")
        raise SystemExit(2) from None
    configure_logging(name, form=settings.log_format, level=settings.log_level)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(name, settings, work))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's loop if it is installed, else the default loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _run(name: str, settings: Settings, work: ProcessFunction) -> None:
    stop = stop_event()
    checks: Checks = {}
    process_log = get_logger(name)
    async with serve_health(checks, host=settings.health_host, port=settings.health_port):
        process_log.info("process.started")
        await survive_faults(work, settings, stop, checks, Clock())
        process_log.info("process.stopped")


async def survive_faults(
    work: ProcessFunction, settings: Settings, stop: asyncio.Event, checks: Checks, clock: Clock
) -> None:
    """Run `work`; after a fault of the database report it and start `work` again.

    A missing table or privilege is repaired by an operator while the process runs. Until then the
    process is not ready, and /readyz and the log give the message of the database. Any other
    error ends the process.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            await work(settings, stop, checks, clock)
        except Exception as error:
            if not is_fault(error):
                raise
            text = f"{type(error).__name__}: {error}"
            log.error("process.database_fault", error=text)
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


async def run_until_first_ends(*works: Awaitable[object]) -> None:
    """Run all until one of them ends, then cancel the others. Raise its error if it failed."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
