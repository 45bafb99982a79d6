"""The files that an import writes: the result of each record, and the refused records."""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from services.lead_import.csv_table import CsvTable
from services.lead_import.line_result import LineResult, LineStatus

COLUMNS = ("line", "last_line", "external_id", "result", "lead_id", "events", "detail")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The beginnings of a cell that a spreadsheet may run as a formula (OWASP, CSV injection)."""


@contextmanager
def open_result_files(
    table: CsvTable, results: Path | None, refused: Path | None
) -> Iterator[Callable[[LineResult], None]]:
    """Yield a function that writes a result into both files; None is not written.

    The file of refused records has the encoding, the delimiter and the header of the imported
    file, and the records as they are there: correct them, and import it with the same options.
    In the results, a text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    with ExitStack() as files:
        writers: list[Callable[[LineResult], object]] = []
        if results is not None:
            file = files.enter_context(results.open("w", encoding="utf-8", newline=""))
            rows = csv.writer(file)
            rows.writerow(COLUMNS)
            writers.append(lambda result: rows.writerow(_row(result)))
        if refused is not None:
            encoding = table.format.encoding
            records = files.enter_context(
                refused.open("w", encoding=encoding, errors="surrogateescape", newline="")
            )
            records.write(table.preamble)
            writers.append(lambda result: records.write(_refused_text(result)))

        def write(result: LineResult) -> None:
            for writer in writers:
                writer(result)

        yield write


def _row(result: LineResult) -> list[object]:
    return [_disarm(getattr(result, column)) for column in COLUMNS]


def _disarm(value: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _refused_text(result: LineResult) -> str:
    """Return the text of a refused record with a line break at its end; of others nothing."""
    if result.result is not LineStatus.REFUSED:
        return ""
    is_complete = result.text.endswith(("\n", "\r"))
    return result.text if is_complete else f"{result.text}\n"
