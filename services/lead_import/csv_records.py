"""The records of a CSV file with the file lines that each one covers.

A quoted field may contain line breaks. A quote that is not closed, or that stands in the middle
of a field, would silently make one record of several: such a record is refused with its lines.
A quote inside a field that does not begin with one is an ordinary character.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

UNCLOSED = "a quote that begins a field is not closed: close it, or write it twice"
STRAY = "text follows a quote that closes a field: write a quote inside of a quoted field twice"
SUSPECT = (
    "a quoted field ends behind a delimiter in a later line, so a quote before it was probably "
    "not closed: close it, or write it twice"
)
_REASONS = (("unexpected end", UNCLOSED), ("field limit", UNCLOSED), ("expected after", STRAY))


def name_lines(first: int, last: int) -> str:
    """Return the lines of a record as text."""
    return f"line {first}" if first == last else f"lines {first} to {last}"


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """One record. Lines count from 1, the header included; `text` is as it is in the file."""

    first_line: int
    last_line: int
    text: str
    fields: tuple[str, ...] = ()
    problem: str | None = None
    """The reason why the record cannot be read, with its lines; None if it can be read."""

    @property
    def lines(self) -> str:
        """The lines of the record as text, for messages."""
        return name_lines(self.first_line, self.last_line)


class _RecordLines:
    """The lines of a file, which remembers those of the record that is being read."""

    def __init__(self, lines: Iterable[str], first_line: int) -> None:
        self._lines = iter(lines)
        self.next_line = first_line
        self.of_record: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.next_line += 1
        self.of_record.append(line)
        return line


def read_records(
    lines: Iterable[str], delimiter: str, *, first_line: int = 1
) -> Iterator[CsvRecord]:
    """Yield the records of the lines, which contain their line breaks. Skip blank lines."""
    source = _RecordLines(lines, first_line)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        source.of_record = []
        first = source.next_line
        fields: list[str] = []
        problem: str | None = None
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = next((why for part, why in _REASONS if part in str(error)), str(error))
        last = source.next_line - 1
        if last > first and any(_ends_suspiciously(field, delimiter) for field in fields):
            problem = SUSPECT
        if problem is not None:
            problem = f"{name_lines(first, last)}: {problem}"
        if fields or problem:
            text = "".join(source.of_record)
            yield CsvRecord(first, last, text, tuple(fields), problem)


def _ends_suspiciously(field: str, delimiter: str) -> bool:
    """Return whether a field of several lines was ended by a quote that begins a field."""
    return "\n" in field and field.endswith(delimiter)
