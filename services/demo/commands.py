"""`crm` commands that the demo runs, as a user would."""

import asyncio
import os
import subprocess
import sys
from typing import Any

import orjson

from services.runtime.environment import to_environment
from services.runtime.settings import Settings
from services.runtime.terminal import NOTES, Failure


class CommandRunner:
    """Runs `crm` commands with the settings of one stack."""

    def __init__(self, settings: Settings) -> None:
        self._env = {**os.environ, **to_environment(settings)}

    async def read(self, *arguments: str) -> Any:
        """Run a command and return the JSON document that it prints."""
        output = await self._run((*arguments, "--json"), has_output=True)
        return orjson.loads(output)

    async def run(self, *arguments: str) -> None:
        """Run a command whose output goes to the terminal."""
        await self._run(arguments, has_output=False)

    async def _run(self, arguments: tuple[str, ...], *, has_output: bool) -> bytes:
        shown = [argument for argument in arguments if argument != "--json"]
        NOTES.print(f"$ crm {' '.join(shown)}", style="dim", highlight=False, soft_wrap=True)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "services.cli", *arguments],
            env=self._env,
            stdout=subprocess.PIPE if has_output else None,
            check=False,
        )
        # Exit code 1 is a result as well, such as rows that differ: the caller reads it.
        if done.returncode not in (0, 1) or (has_output and not done.stdout):
            raise Failure(f"crm {' '.join(arguments)} ended with exit code {done.returncode}")
        return done.stdout or b""
