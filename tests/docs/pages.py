"""The executable blocks of a documentation page.

A fenced block is executed if its info string has a second word:

- `sh run`: run the commands;
- `python file=PATH` (any language): write the file;
- `diff edit=PATH`: replace the lines that begin with `-` or a space by those with `+` or a space.
"""

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.checkout import Checkout

_BLOCK = re.compile(
    r"^```(?P<language>\w+) (?P<action>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


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


def follow(checkout: Checkout, page: str) -> str:
    """Execute all blocks of a page of the copy in order; return the output of the commands.

    All commands run in one shell, so a variable of one block is known in the next.
    """
    script = "\n".join(_as_shell(block) for block in read_blocks(checkout.root / page))
    return checkout.run(script)


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
