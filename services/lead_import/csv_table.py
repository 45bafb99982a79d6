"""The header and the records of a CSV file, in its encoding and with its delimiter."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TextIO

from services.lead_import.csv_records import CsvRecord, read_records
from services.lead_import.mapping import InvalidMapping
from services.lead_import.text_format import TextFormat


class CsvTable:
    """The header and the records of a CSV file."""

    def __init__(self, path: Path, text_format: TextFormat) -> None:
        self.path, self.format = path, text_format
        self.header = self._read_header()
        self.columns = tuple(name.strip() for name in self.header.fields)

    def open(self) -> TextIO:
        """Open the file; bytes that are not in its encoding become lone surrogates."""
        return self.path.open(encoding=self.format.encoding, errors="surrogateescape", newline="")

    def records(self) -> Iterator[CsvRecord]:
        """Yield the records after the header."""
        with self.open() as source:
            yield from islice(self._read(source), 1, None)

    @cached_property
    def line_count(self) -> int:
        """The number of text lines after the header; raise `InvalidMapping` for other encodings."""
        try:
            with self.open() as source:
                return max(0, sum(1 for _ in source) - self.header.last_line)
        except UnicodeError as error:
            raise self._wrong_encoding(error) from None

    @cached_property
    def preamble(self) -> str:
        """The text up to the header, with which a file of some of the records begins."""
        with self.open() as source:
            return "".join(islice(source, self.header.last_line))

    def _read(self, source: TextIO) -> Iterator[CsvRecord]:
        skipped = self.format.preamble
        lines = islice(source, skipped, None)
        return read_records(lines, self.format.delimiter, first_line=skipped + 1)

    def _read_header(self) -> CsvRecord:
        try:
            with self.open() as source:
                header = next(self._read(source), None)
        except OSError as error:
            raise InvalidMapping(f"{self.path} cannot be read: {error.strerror}") from None
        except UnicodeError as error:
            raise self._wrong_encoding(error) from None
        if header is None:
            raise InvalidMapping(f"{self.path} is empty: it needs a header line")
        if header.problem is not None:
            raise InvalidMapping(f"the header of {self.path}: {header.problem}")
        return header

    def _wrong_encoding(self, error: UnicodeError) -> InvalidMapping:
        return InvalidMapping(
            f"{self.path} is not {self.format.encoding} ({error}): give another --encoding"
        )
