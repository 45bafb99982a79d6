"""The import of one file: the target, the records, the result files and the summary."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from services.lead_import.csv_file import CsvFile
from services.lead_import.csv_table import CsvTable
from services.lead_import.importer import Importer
from services.lead_import.line_history import MAX_ACTIVITY_SPAN
from services.lead_import.line_result import LineResult, LineStatus
from services.lead_import.line_values import ImportTarget
from services.lead_import.mapping import ColumnMapping, InvalidMapping
from services.lead_import.preview import preview_lead
from services.lead_import.result_files import open_result_files
from services.lead_import.target import load_target
from services.runtime.table_fit import TableFit

SHOWN_REFUSALS = 5


@dataclass(frozen=True, slots=True)
class FileImport:
    """The content to import, its property, and the files to write (None: not written).

    Without a column of arrivals the first lead arrived at `start`, and the others followed every
    `interval`.
    """

    table: CsvTable
    mapping: ColumnMapping
    property_id: UUID
    start: datetime | None = None
    interval: timedelta = timedelta(0)
    results: Path | None = None
    refused: Path | None = None
    is_dry_run: bool = False

    async def run(
        self, pool: asyncpg.Pool, advance: Callable[[int], None] = lambda _lines: None
    ) -> dict[str, Any]:
        """Import the file and return the summary; `advance` gets the numbers of finished lines.

        Raise `InvalidMapping`, or `UnfitTables` if the host's tables cannot hold the leads, before
        anything is written.
        """
        if not self.is_dry_run:
            await TableFit(pool).require()
        target = await load_target(pool, self.property_id, self.mapping, self.start, self.interval)
        file = CsvFile(self.table, self.mapping, target)
        _refuse_future(target, self.table.line_count)
        importer = Importer(pool, dry_run=self.is_dry_run)
        refusals: list[LineResult] = []
        with open_result_files(self.table, self.results, self.refused) as write:

            def report(result: LineResult) -> None:
                advance(result.last_line - result.line + 1)
                write(result)
                if result.result is LineStatus.REFUSED and len(refusals) < SHOWN_REFUSALS:
                    refusals.append(result)

            await importer.run(file.lines(), report)
        return self._summarize(importer, file, refusals)

    def _summarize(
        self, importer: Importer, file: CsvFile, refusals: list[LineResult]
    ) -> dict[str, Any]:
        totals = importer.totals
        return {
            "dry_run": self.is_dry_run,
            "encoding": self.table.format.encoding,
            "delimiter": self.table.format.delimiter,
            "lines": self.table.line_count,
            **{status.value: totals.results[status.value] for status in LineStatus},
            "events": dict(totals.events),
            "preview": [preview_lead(line) for line in importer.preview],
            "missing_columns": list(file.missing),
            "not_understood": file.unread(),
            "refusals": [{"line": result.line, "why": result.detail} for result in refusals],
        }


def _refuse_future(target: ImportTarget, count: int) -> None:
    """Refuse a start so late that the last lead's history would end in the future."""
    if target.start is None:
        return
    last = target.start + target.interval * count + MAX_ACTIVITY_SPAN
    if last > target.until:
        raise InvalidMapping(
            f"the history of the last of {count} leads would end at {last.isoformat()}, in the "
            "future: choose an earlier --start or a higher --rate"
        )
