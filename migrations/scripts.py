"""Plain SQL files, statement by statement, the same online and in the exported script."""

from pathlib import Path

from alembic import op
from sqlalchemy import text

FOLDER = Path(__file__).parent / "sql"


def run(name: str) -> None:
    """Execute one file of migrations/sql."""
    for statement in statements((FOLDER / name).read_text()):
        op.execute(text(statement.replace(":", "\\:")))


def statements(script: str) -> list[str]:
    """The statements of a script: a semicolon ends one, except within dollar quotes or text."""
    found, current, quoted, text_open = [], "", False, False
    for line in script.splitlines():
        code = line if quoted else line.split("--", 1)[0]
        if not quoted and not code.strip():
            continue
        current += code + "\n"
        if code.count("$$") % 2:
            quoted = not quoted
        text_open = not quoted and current.count("'") % 2 == 1 and "$$" not in current
        if not quoted and not text_open and code.rstrip().endswith(";"):
            found.append(current.strip().removesuffix(";"))
            current = ""
    if current.strip():
        found.append(current.strip())
    return found
