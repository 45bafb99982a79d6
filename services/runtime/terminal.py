"""Output of commands: rich text for people, JSON for machines, errors as one line on stderr."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

SCREEN = Console()
NOTES = Console(stderr=True)
"""Console for progress and remarks on stderr, so that stdout can be piped."""


class Failure(Exception):
    """The failure of a command. Only the message is shown; the exit code is 1."""


def examples(*commands: str) -> str:
    """Return the end of a help text: `App(help_epilogue=examples("crm up"))`."""
    return "\n".join(["Examples:", *(f"  {command}" for command in commands)])


def note(text: str) -> None:
    """Print a remark on stderr."""
    NOTES.print(text, highlight=False, markup=False)


def print_json(value: Any) -> None:
    """Print one JSON document on stdout; ids, times and decimals become text."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    SCREEN.out(orjson.dumps(value, default=str, option=options).decode(), highlight=False)


def print_rows(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool = False,
    empty: str = "nothing",
    show: Callable[[Any], str] = str,
) -> None:
    """Print rows as a table, or with `as_json` as a list of objects with all their fields."""
    listed = [dict(row) for row in rows]
    if as_json:
        print_json(listed)
    elif not listed:
        SCREEN.print(empty)
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in columns:
            table.add_column(name, overflow="fold")  # a truncated id is useless
        for row in listed:
            table.add_row(*("" if row.get(name) is None else show(row[name]) for name in columns))
        SCREEN.print(table)
