"""The executable blocks of a documentation page, and a copy of the tree in which they are executed.

A fenced block is executed if its info string has a second word:

- `sh run`: run the commands;
- `python file=PATH` (any language): write the file;
- `diff edit=PATH`: replace the lines that begin with `-` or a space by those with `+` or a space.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^```(?P<language>\w+) (?P<action>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_IGNORED = shutil.ignore_patterns(
    "__pycache__", ".git", ".venv", ".crm*", ".*_cache", ".hypothesis", "dist", "build"
)
_TOOLS = {
    "python": "",
    "crm": "-m services.cli",
    "mypy": "-m mypy",
    "ruff": "-m ruff",
}
"""Commands of `.venv/bin` in the copy: arguments that follow the interpreter."""


@dataclass(frozen=True, slots=True)
class Block:
    """One executable block of a page."""

    action: str
    text: str


def read_blocks(page: Path) -> list[Block]:
    """Return the executable blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    return [Block(match["action"], match["text"]) for match in _BLOCK.finditer(text)]


def apply_edit(content: str, edit: str) -> str:
    """Return `content` with the old lines of `edit` replaced by the new ones."""
    lines = edit.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    assert content.count(old) == 1, f"found {content.count(old)} times instead of once:\n{old}"
    return content.replace(old, new)


class Checkout:
    """A copy of the tree with its own `.venv/bin`, whose commands run the code of the copy."""

    def __init__(self, root: Path, **environment: str) -> None:
        self.root = root / "checkout"
        self.environment = {**os.environ, **environment}
        shutil.copytree(ROOT, self.root, ignore=_IGNORED)
        commands = self.root / ".venv" / "bin"
        commands.mkdir(parents=True)
        for name, arguments in _TOOLS.items():
            command = commands / name
            interpreter = shlex.quote(sys.executable)
            command.write_text(
                f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(self.root))} "
                f'exec {interpreter} {arguments} "$@"\n'
            )
            command.chmod(0o755)

    def follow(self, page: str) -> str:
        """Execute all blocks of a page of the copy in order; return the output of the commands.

        All commands run in one shell, so a variable of one block is known in the next.
        """
        script = "\n".join(_as_shell(block) for block in read_blocks(self.root / page))
        return self.run(script)

    def run(self, script: str) -> str:
        """Run a shell script in the copy; return its output, or fail with it."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.root, env=self.environment, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout


def _as_shell(block: Block) -> str:
    kind, _, path = block.action.partition("=")
    if kind == "run":
        return block.text
    quoted = shlex.quote(path)
    if kind == "file":
        return f"cat > {quoted} <<'END_OF_BLOCK'\n{block.text}END_OF_BLOCK"
    assert kind == "edit", f"unknown action {block.action!r} of a block"
    editor = f".venv/bin/python -m tests.docs.pages {quoted}"
    return f"{editor} <<'END_OF_BLOCK'\n{block.text}END_OF_BLOCK"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(apply_edit(target.read_text(encoding="utf-8"), sys.stdin.read()))
