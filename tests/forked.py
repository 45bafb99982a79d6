"""Processes of the core, forked from one that has imported their modules.

`python -m services.api` imports for 2 s of processor time before it does anything. A forked one
runs the same `__main__` at once, with its own id, environment, signals and exit code. Modules
`test_process.py` start the interpreter itself.
"""

import asyncio
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

from services.runtime.environment import to_environment
from services.runtime.settings import Settings

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "services.api.app", "services.api.server", "services.intake.intake",
        "services.projector.projector", "services.relay.relay", "services.sender.sender",
        "services.timers.timers", "services.workflows.workflows",
    ]
)  # fmt: skip


class ForkedProcess:
    """The process `services.<name>`; its error output goes to a file, or to that of the test.

    `change`: Python code that changes modules of the process before it starts.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        stderr: Path | None = None,
        change: str = "",
        **environment: str,
    ) -> None:
        arguments = (name, to_environment(settings) | environment, stderr, change)
        self._process = _CONTEXT.Process(target=_run, args=arguments, daemon=True)

    async def start(self) -> None:
        await asyncio.to_thread(self._process.start)

    @property
    def exit_code(self) -> int | None:
        """Return the exit code; None while the process runs."""
        return self._process.exitcode

    def stop(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL, as in a crash."""
        self._process.kill()

    async def wait(self, seconds: float) -> int:
        """Wait for the end and return the exit code. Raise `TimeoutError` after `seconds`."""
        await asyncio.to_thread(self._process.join, seconds)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            raise TimeoutError(f"the process still runs after {seconds} s")
        self._process.close()
        return code


def _run(name: str, environment: Mapping[str, str], stderr: Path | None, change: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    if stderr is not None:
        os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND), sys.stderr.fileno())
    exec(change, {})
    runpy.run_module(f"services.{name}", run_name="__main__", alter_sys=True)
