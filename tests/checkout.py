"""A copy of the tree in a directory of the test, in which commands are run."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_IGNORED = shutil.ignore_patterns(
    ".git", ".venv", ".crm*", ".*_cache", ".hypothesis", "dist", "build", "*.pyc.*"
)
"""Compiled modules are copied, because each command would compile them again.

`*.pyc.*` are the temporary files of other processes that compile at the same time.
"""
_TOOLS = {
    "python": "",
    "crm": "-m services.cli",
    "ruff": "-m ruff",
    "alembic": "-m alembic",
}
"""Commands of `.venv/bin` in the copy: arguments that follow the interpreter."""


class Checkout:
    """A copy of the tree with its own `.venv/bin`, whose commands run the code of the copy."""

    def __init__(self, directory: Path, source: Path = ROOT, /, **environment: str) -> None:
        self.root = directory / "checkout"
        self.environment = {**os.environ, **environment}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        shutil.copytree(source, self.root, ignore=_IGNORED)
        self._commands = self.root / ".venv" / "bin"
        self._commands.mkdir(parents=True)
        for name, arguments in _TOOLS.items():
            command = self._commands / name
            interpreter = shlex.quote(sys.executable)
            command.write_text(
                f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(self.root))} "
                f'exec {interpreter} {arguments} "$@"\n'
            )
            command.chmod(0o755)

    def run(self, script: str) -> str:
        """Run a shell script in the copy; return its output, or fail with it."""
        return self._expect(0, "bash", "-euo", "pipefail", "-c", script)

    def execute(self, name: str, *arguments: str, status: int = 0) -> str:
        """Run a command of `.venv/bin` that must end with `status`; return its output."""
        return self._expect(status, str(self._commands / name), *arguments)

    def list_files(self) -> set[str]:
        """Return the paths of all files but compiled ones."""
        paths = (path.relative_to(self.root) for path in self.root.rglob("*"))
        return {str(path) for path in paths if "__pycache__" not in path.parts}

    def _expect(self, status: int, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == status, done.stdout[-6000:]
        return done.stdout
