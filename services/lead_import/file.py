"""The CSV file: its lines read with a mapping, and what in it the mapping says nothing about."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from services.lead_import.importer import Result, Told
from services.lead_import.lines import BadLine, Line, Place, read_line
from services.lead_import.mapping import BadMapping, Mapping

SHOWN_VALUES = 8
VALUES_AT_MOST = 10_000


class CsvFile:
    """One reading of a file; what was not understood is known when it is over."""

    def __init__(self, path: Path, mapping: Mapping, place: Place) -> None:
        self.path, self.mapping, self.place = path, mapping, place
        self.columns = self._columns()
        if missing := [c for c in mapping.columns() if c not in self.columns]:
            raise BadMapping(f"{path} has no column {', '.join(sorted(set(missing)))}")
        self._read = {column: mapping.values_read(column) for column in set(mapping.columns())}
        self._unread: dict[str, Counter[str]] = {
            column: Counter()
            for column in self.columns
            if self._read.get(column, set()) is not None
        }

    def __len__(self) -> int:
        """How many lines of text it has besides the header: at least as many as there are leads."""
        with self.path.open(encoding="utf-8-sig", newline="", errors="replace") as source:
            return max(0, sum(1 for _ in source) - 1)

    def lines(self) -> Iterator[Line | Told]:
        """Every line as facts, or why it cannot be."""
        with self.path.open(encoding="utf-8-sig", newline="", errors="surrogateescape") as source:
            rows = csv.DictReader(source)
            for number in count(1):
                row: dict[str, str] = {}
                try:
                    row = next(rows)
                    yield read_line(number, row, self.mapping, self.place)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Told(number, "", Result.REFUSED, detail=f"this is no CSV: {error}")
                except BadLine as error:
                    name = row.get(self.mapping.lead.external_id) or ""
                    yield Told(number, name, Result.REFUSED, detail=str(error))
                self._note(row)

    def unread(self) -> list[dict[str, object]]:
        """Columns, and values of columns, that say nothing the mapping knows."""
        found: list[dict[str, object]] = []
        for column, values in self._unread.items():
            filled = sum(values.values())
            if column and filled:
                shown = [f"{value} ({times})" for value, times in values.most_common(SHOWN_VALUES)]
                more = len(values) - len(shown)
                found.append(
                    {
                        "column": column,
                        "mapped": "partly" if column in self._read else "no",
                        "lines": filled,
                        "values": ", ".join(shown) + (f" and {more} more" if more > 0 else ""),
                    }
                )
        return found

    def _note(self, row: dict[str, str]) -> None:
        for column, values in self._unread.items():
            value = (row.get(column) or "").strip()
            known = self._read.get(column)
            if value and not (known and value in known):
                values[value if len(values) < VALUES_AT_MOST else "…"] += 1

    def _columns(self) -> Sequence[str]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="", errors="replace") as source:
                columns = next(csv.reader(source), None)
        except OSError as error:
            raise BadMapping(f"{self.path}: {error.strerror}") from None
        if not columns:
            raise BadMapping(f"{self.path} is empty")
        if doubled := [name for name, times in Counter(columns).items() if times > 1]:
            raise BadMapping(f"{self.path} has these columns twice: {', '.join(doubled)}")
        return columns
