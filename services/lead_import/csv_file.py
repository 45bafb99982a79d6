"""The CSV file: its records read with a mapping, and the columns that it does not cover."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator

from services.lead_import.csv_records import CsvRecord
from services.lead_import.csv_table import CsvTable
from services.lead_import.line_result import LineResult
from services.lead_import.line_values import ImportTarget, InvalidLine
from services.lead_import.lines import LeadLine, read_line
from services.lead_import.mapping import ColumnMapping, InvalidMapping

SHOWN_VALUES = 8
MAX_VALUES = 10_000
_ZONE_SUFFIX = re.compile(r"\s*\([A-Za-z0-9:+/_ -]+\)$")
"""A time zone that an export adds to the name of a date column, such as `Create Date (EDT)`."""


class CsvFile:
    """One reading of a file with a mapping. `unread` is complete after all `lines` were read."""

    def __init__(self, table: CsvTable, mapping: ColumnMapping, target: ImportTarget) -> None:
        self.table, self.mapping, self.target = table, mapping, target
        self.columns, self.missing = _match_columns(table, mapping)
        values_read = {column: mapping.values_read(column) for column in set(mapping.columns())}
        self._values_read = values_read
        self._unread: dict[str, Counter[str]] = {
            column: Counter()
            for column in self.columns
            if values_read.get(column, set()) is not None
        }

    def lines(self) -> Iterator[LeadLine | LineResult]:
        """Yield every record as events, or the result that says why it is refused."""
        for number, record in enumerate(self.table.records(), start=1):
            row = dict(zip(self.columns, record.fields, strict=False))
            try:
                self._check(record)
                yield read_line(record, row, self.mapping, self.target, number)
            except InvalidLine as error:
                name = row.get(self.mapping.lead.external_id.column, "").strip()
                yield LineResult.refused(record, name, str(error))
            if record.problem is None:
                self._count_unread(row)

    def unread(self) -> list[dict[str, object]]:
        """Return the columns, with their most frequent values, that the mapping does not cover."""
        columns: list[dict[str, object]] = []
        for column, values in self._unread.items():
            filled = sum(values.values())
            if column and filled:
                shown = [f"{value} ({times})" for value, times in values.most_common(SHOWN_VALUES)]
                more = len(values) - len(shown)
                columns.append(
                    {
                        "column": column,
                        "mapped": "partly" if column in self._values_read else "no",
                        "lines": filled,
                        "values": ", ".join(shown) + (f" and {more} more" if more > 0 else ""),
                    }
                )
        return columns

    def _check(self, record: CsvRecord) -> None:
        """Raise `InvalidLine` unless the record has readable text and a field for each column."""
        if record.problem is not None:
            raise InvalidLine(record.problem)
        if not _is_unicode(record.text):
            raise InvalidLine(
                f"the line has bytes that are not {self.table.format.encoding}: correct them, or "
                "give another --encoding"
            )
        if len(record.fields) != len(self.columns):
            has_run_on = record.last_line > record.first_line
            raise InvalidLine(
                f"{record.lines}: {len(record.fields)} fields, the header has {len(self.columns)}"
                + (": a quote is probably not closed" if has_run_on else "")
            )

    def _count_unread(self, row: dict[str, str]) -> None:
        for column, values in self._unread.items():
            value = row.get(column, "").strip()
            read = self._values_read.get(column)
            if value and not (read and value in read):
                values[value if len(values) < MAX_VALUES else "…"] += 1


def _match_columns(
    table: CsvTable, mapping: ColumnMapping
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of the file with the names of the mapping, and those that it lacks.

    A column of the mapping is the one of the same name, else the only one whose name differs in
    nothing but case, and a time zone in parentheses at its end.
    """
    columns, missing = list(table.columns), []
    for name in dict.fromkeys(mapping.columns()):
        if (times := columns.count(name)) > 1:
            raise InvalidMapping(f"{table.path} has the column {name} {times} times: rename one")
        if times:
            continue
        similar = [i for i, column in enumerate(columns) if _simplify(column) == _simplify(name)]
        if len(similar) == 1:
            columns[similar[0]] = name
        else:
            missing.append(name)
    required = {mapping.lead.external_id.column}
    if mapping.lead.arrived is not None:
        required.add(mapping.lead.arrived.column)
    absent = [name for name in missing if name in required or not mapping.optional_columns]
    if absent:
        raise InvalidMapping(
            f"{table.path} has no column {', '.join(sorted(absent))}: correct the mapping"
            f"{_suggest(absent, table.columns)}"
        )
    return tuple(columns), tuple(missing)


def _simplify(name: str) -> str:
    return _ZONE_SUFFIX.sub("", name.strip()).casefold()


def _suggest(absent: list[str], columns: tuple[str, ...]) -> str:
    close = [match for name in absent for match in difflib.get_close_matches(name, columns, 1)]
    return f" (it has {', '.join(close)})" if close else ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
