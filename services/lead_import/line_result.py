"""The result of one record of an imported file."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

from services.lead_import.csv_records import CsvRecord
from services.lead_import.lines import LeadLine


class LineStatus(StrEnum):
    """The result of a line, or in a dry run its result if it were imported."""

    NEW = "new"
    KNOWN = "known"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LineResult:
    """The result of one record: its first and last line in the file, and what became of it."""

    line: int
    last_line: int
    external_id: str
    result: LineStatus
    lead_id: UUID | None = None
    events: int = 0
    detail: str = ""
    text: str = ""
    """The refused record as it is in the file, to be corrected and imported again."""

    @classmethod
    def of(
        cls,
        line: LeadLine,
        result: LineStatus,
        lead_id: UUID,
        events: int,
        detail: str = "",
    ) -> Self:
        """Return the result of a record that could be read."""
        record = line.record
        return cls(
            record.first_line, record.last_line, line.lead.external_id, result, lead_id, events,
            detail,
        )  # fmt: skip

    @classmethod
    def refused(cls, record: CsvRecord, external_id: str, detail: str) -> Self:
        """Return the result of a refused record."""
        return cls(
            record.first_line, record.last_line, external_id, LineStatus.REFUSED, detail=detail,
            text=record.text,
        )  # fmt: skip
