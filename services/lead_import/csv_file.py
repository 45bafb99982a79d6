"""The CSV file: its lines read with a mapping, and the columns that the mapping does not cover."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from services.lead_import.importer import LineResult, LineStatus
from services.lead_import.lines import ImportTarget, InvalidLine, LeadLine, read_line
from services.lead_import.mapping import ColumnMapping, InvalidMapping

SHOWN_VALUES = 8
MAX_VALUES = 10_000


class CsvFile:
    """One reading of a file. `unread` is complete after all `lines` were read."""

    def __init__(self, path: Path, mapping: ColumnMapping, target: ImportTarget) -> None:
        self.path, self.mapping, self.target = path, mapping, target
        self.columns = self._read_header()
        if missing := [c for c in mapping.columns() if c not in self.columns]:
            raise InvalidMapping(
                f"{path} has no column {', '.join(sorted(set(missing)))}: correct the mapping"
            )
        self._values_read = {c: mapping.values_read(c) for c in set(mapping.columns())}
        self._unread: dict[str, Counter[str]] = {
            column: Counter()
            for column in self.columns
            if self._values_read.get(column, set()) is not None
        }

    def __len__(self) -> int:
        """Return the number of text lines after the header; no more leads than that."""
        with self.path.open(encoding="utf-8-sig", newline="", errors="replace") as source:
            return max(0, sum(1 for _ in source) - 1)

    def lines(self) -> Iterator[LeadLine | LineResult]:
        """Yield every line as events, or the result that says why it is refused."""
        with self.path.open(encoding="utf-8-sig", newline="", errors="surrogateescape") as source:
            rows = csv.DictReader(source)
            for number in count(1):
                row: dict[str, str] = {}
                try:
                    row = next(rows)
                    yield read_line(number, row, self.mapping, self.target)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield LineResult(
                        number, "", LineStatus.REFUSED, detail=f"the line is not CSV: {error}"
                    )
                except InvalidLine as error:
                    name = row.get(self.mapping.lead.external_id) or ""
                    yield LineResult(number, name, LineStatus.REFUSED, detail=str(error))
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

    def _count_unread(self, row: dict[str, str]) -> None:
        for column, values in self._unread.items():
            value = (row.get(column) or "").strip()
            read = self._values_read.get(column)
            if value and not (read and value in read):
                values[value if len(values) < MAX_VALUES else "…"] += 1

    def _read_header(self) -> Sequence[str]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="", errors="replace") as source:
                columns = next(csv.reader(source), None)
        except OSError as error:
            raise InvalidMapping(f"{self.path} cannot be read: {error.strerror}") from None
        if not columns:
            raise InvalidMapping(f"{self.path} is empty: it needs a header line")
        if doubled := [name for name, times in Counter(columns).items() if times > 1]:
            raise InvalidMapping(f"{self.path} has these columns twice: {', '.join(doubled)}")
        return columns
