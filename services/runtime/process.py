"""How a worker process runs: settings, logs, health, and a stop that is asked for politely."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from services.runtime.health import Check, serving_health
from services.runtime.logging import configure_logging, get_logger
from services.runtime.settings import Settings, explain

Checks = dict[str, Check]
Work = Callable[[Settings, asyncio.Event, Checks], Awaitable[None]]
"""What a process does until its event is set; it adds to the checks as it learns to work."""


def run_process(name: str, work: Work) -> None:
    """Run `work` until it ends or SIGTERM or SIGINT sets its event; exits 2 on bad settings."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"{name}: {explain(error)}\n")
        raise SystemExit(2) from None
    configure_logging(name, form=settings.log_format, level=settings.log_level)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(name, settings, work))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's loop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _run(name: str, settings: Settings, work: Work) -> None:
    stop = stop_event()
    checks: Checks = {}
    log = get_logger(name)
    async with serving_health(checks, host=settings.health_host, port=settings.health_port):
        log.info("process.started")
        await work(settings, stop, checks)
        log.info("process.stopped")


def stop_event() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def sleep_unless(stop: asyncio.Event, seconds: float) -> bool:
    """Wait between two rounds of a worker's loop; True when it was asked to stop meanwhile."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
