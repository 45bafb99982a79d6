"""SQL files of migrations, executed by statement, online and in the exported script."""

from pathlib import Path

FOLDER = Path(__file__).parent / "sql"


def run(name: str) -> None:
    """Execute a file of migrations/sql.

    Processes read the scripts too: Alembic is imported only where they are executed, because that
    takes a fifth of the start of a process.
    """
    from alembic import op
    from sqlalchemy import text

    for statement in statements((FOLDER / name).read_text()):
        op.execute(text(statement.replace(":", "\\:")))


def statements(script: str) -> list[str]:
    """Return the statements of a script: a semicolon ends one, except in quotes of any kind."""
    complete, current, in_dollar_quotes, in_text = [], "", False, False
    for line in script.splitlines():
        code = line if in_dollar_quotes else line.split("--", 1)[0]
        if not in_dollar_quotes and not code.strip():
            continue
        current += code + "\n"
        if code.count("$$") % 2:
            in_dollar_quotes = not in_dollar_quotes
        in_text = not in_dollar_quotes and current.count("'") % 2 == 1 and "$$" not in current
        if not in_dollar_quotes and not in_text and code.rstrip().endswith(";"):
            complete.append(current.strip().removesuffix(";"))
            current = ""
    if current.strip():
        complete.append(current.strip())
    return complete
