"""The projector process with a catalog of the flat table alone; it runs until SIGTERM."""

import asyncio
import signal

from benchmarks.peers.flat_table import FLAT
from services.projector import projector
from services.runtime.clock import Clock
from services.runtime.logging import configure_logging
from services.runtime.process import loop_factory
from services.runtime.settings import Settings


async def _work() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    vars(projector)["LIVE"] = FLAT  # the process has the catalog of the core built in
    await projector.work(Settings(), stop, {}, Clock())


if __name__ == "__main__":
    configure_logging("bench", form="console", level="error")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_work())
