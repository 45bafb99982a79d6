"""Output of commands: text for people, JSON for machines, errors as one line on stderr."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Table

SCREEN = Console()
NOTES = Console(stderr=True)
"""Console for progress and remarks on stderr, so that stdout can be piped."""

MIN_COLUMN_WIDTH = 16
"""The width to which a column of texts can shrink on a terminal before its words are broken."""


class Failure(Exception):
    """The failure of a command. Only the message is shown; the exit code is 1."""


def examples(*commands: str) -> str:
    """Return the end of a help text: `App(help_epilogue=examples("crm up"))`."""
    return "\n".join(["Examples:", *(f"  {command}" for command in commands)])


def note(text: str) -> None:
    """Print a remark on stderr, one line for each line of the text."""
    NOTES.out(text, highlight=False)


def progress_bar(*columns: ProgressColumn) -> Progress:
    """Return a progress bar on stderr; nothing is shown if that is not a terminal."""
    return Progress(*columns, console=NOTES, transient=True, disable=not NOTES.is_terminal)


def print_line(text: str) -> None:
    """Print a text on stdout, one line for each line of the text."""
    SCREEN.out(text, highlight=False)


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
    show: Callable[[Any], str] | None = None,
) -> None:
    """Print rows as a table, or with `as_json` as a list of objects with all their fields.

    If stdout is no terminal, each row is one line. On a terminal texts are folded, but ids never
    are: where they do not fit beside each other, each field gets a line of its own.
    """
    listed = [dict(row) for row in rows]
    if as_json:
        print_json(listed)
        return
    if not listed:
        print_line(empty)
        return
    cells = [[_cell(row.get(name), show or _text) for name in columns] for row in listed]
    whole = [
        any(isinstance(row.get(name), UUID) for row in listed) for name in columns
    ]  # fmt: skip
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    if not SCREEN.is_terminal:
        _print_lines([list(columns), *cells], widths)
    elif _narrowest(widths, whole) > SCREEN.width:
        _print_fields(columns, cells)
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name, is_whole in zip(columns, whole, strict=True):
            table.add_column(name, overflow="fold", no_wrap=is_whole)
        for line in cells:
            table.add_row(*line)
        SCREEN.print(table, markup=False, emoji=False)


def _cell(value: Any, show: Callable[[Any], str]) -> str:
    """Return a value on one line: a line break or a tab in it would look like another row."""
    return "" if value is None else " ".join(show(value).split())


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, dict):
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return str(value)


def _narrowest(widths: Sequence[int], whole: Sequence[bool]) -> int:
    """Return the width of the table with its texts folded as far as possible."""
    shrunk = [
        width if is_whole else min(width, MIN_COLUMN_WIDTH)
        for width, is_whole in zip(widths, whole, strict=True)
    ]
    return sum(shrunk) + len(shrunk) - 1


def _print_lines(lines: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print_line("  ".join(padded).rstrip())


def _print_fields(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    width = max(map(len, columns))
    for number, line in enumerate(cells):
        if number:
            print_line("")
        for name, cell in zip(columns, line, strict=True):
            print_line(f"{name.ljust(width)}  {cell}".rstrip())
