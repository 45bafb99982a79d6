"""`crm import`: import leads of another system from a CSV file with a mapping."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from cyclopts import App, Parameter

from services.cli import import_output
from services.lead_import.csv_table import CsvTable
from services.lead_import.file_import import FileImport
from services.lead_import.mapping import (
    ColumnMapping,
    InvalidMapping,
    read_mapping,
    read_mapping_text,
    shipped_mappings,
)
from services.lead_import.proposal import propose_mapping
from services.lead_import.text_format import detect_format
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.garbage_collection import collect_rarely
from services.runtime.terminal import Failure, examples, print_json, print_line, progress_bar

app = App(
    name="import",
    help_epilogue=examples(
        "crm import columns leads.csv > my.toml",
        "crm import mappings hubspot > my.toml",
        "crm import leads leads.csv --property 0192… --mapping my.toml --dry-run",
        "crm import leads leads.csv --property 0192… --mapping my.toml --results results.csv "
        "--refused refused.csv",
        "crm import leads leads.csv --property 0192… --mapping hubspot --delimiter ';' "
        "--encoding cp1252",
        "crm import leads leads.csv --property 0192… --mapping m.toml --start 2026-01-01 "
        "--rate 200",
    )
    + "\n\nExit codes: 0 done, 1 some lines are refused or the import failed, 2 wrong usage, "
    "130 interrupted.",
    help_format="plaintext",
)


@app.command
def leads(
    file: Path,
    /,
    *,
    property_: Annotated[UUID, Parameter(name="--property")],
    mapping: str,
    start: datetime | None = None,
    rate: float | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    results: Path | None = None,
    refused: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: bool = False,
) -> int:
    """Import leads with their history. Repeating it changes nothing. Exit code 1 on refused lines.

    Parameters
    ----------
    file
        A CSV file with a header line.
    property_
        The id of the leads' property.
    mapping
        A TOML file that says what the columns mean, or the name of a shipped mapping.
    start
        Only for a file without dates: the instant at which the first lead arrived; UTC if it has
        no offset.
    rate
        Only with --start: leads per day from then on, 200 by default.
    encoding
        The encoding of the file, such as utf-8, cp1252 or utf-16; detected if omitted.
    delimiter
        The character between the fields, or `tab`; detected if omitted.
    results
        A CSV file to write, with the result of each record and its lines in the file.
    refused
        A CSV file to write, with the refused records: correct them and import that file.
    dry_run
        Import nothing: show five leads as they would be stored, what would be refused, and which
        columns and values the mapping does not cover.
    json
        Print one JSON document.
    """
    try:
        columns = read_mapping(mapping)
        first, interval = _arrivals(columns, start, rate)
        source = FileImport(
            _open_table(file, encoding, delimiter), columns, property_, first, interval, results,
            refused, is_dry_run=dry_run,
        )  # fmt: skip
        with progress_bar() as bar:
            label = "previewing" if dry_run else "importing"
            task = bar.add_task(label, total=source.table.line_count)
            summary = asyncio.run(_run(source, lambda lines: bar.advance(task, lines)))
    except InvalidMapping as error:
        raise Failure(str(error)) from None
    print_json(summary) if json else import_output.show(summary)
    return 1 if summary["refused"] else 0


@app.command(name="columns")
def columns_(
    file: Path,
    /,
    *,
    name: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> None:
    """Print a proposed mapping for a file, with comments on what must be decided.

    Parameters
    ----------
    file
        A CSV file with a header line.
    name
        The name of the system that the file comes from; by default the name of the file.
    encoding
        The encoding of the file; detected if omitted.
    delimiter
        The character between the fields, or `tab`; detected if omitted.
    """
    try:
        table = _open_table(file, encoding, delimiter)
        sys.stdout.write(propose_mapping(table, name or file.stem[:100] or "import"))
    except InvalidMapping as error:
        raise Failure(str(error)) from None


@app.command
def mappings(name: str | None = None, /) -> None:
    """Print the names of the shipped mappings, or one mapping as a start for an own one.

    Parameters
    ----------
    name
        The name of a shipped mapping.
    """
    if name is None:
        for shipped in shipped_mappings():
            print_line(shipped)
    elif name in shipped_mappings():
        sys.stdout.write(read_mapping_text(name))
    else:
        raise Failure(f"there is no mapping {name}; there are {', '.join(shipped_mappings())}")


async def _run(source: FileImport, advance: Callable[[int], None]) -> dict[str, Any]:
    collect_rarely()
    async with pooled(DatabaseSettings(), "crm import") as pool:
        return await source.run(pool, advance)


def _open_table(file: Path, encoding: str | None, delimiter: str | None) -> CsvTable:
    given = "\t" if delimiter in ("tab", r"\t") else delimiter
    return CsvTable(file, detect_format(file, encoding=encoding, delimiter=given))


def _arrivals(
    mapping: ColumnMapping, start: datetime | None, rate: float | None
) -> tuple[datetime | None, timedelta]:
    """Return when the first lead of a file without dates arrived, and the time between two."""
    if mapping.lead.arrived is not None:
        if start is not None or rate is not None:
            raise Failure(
                f"the mapping reads the arrival from the column {mapping.lead.arrived.column}: "
                "leave out --start and --rate"
            )
        return None, timedelta(0)
    if start is None:
        raise Failure(
            "the mapping names no column with the date on which a lead arrived: add lead.arrived, "
            "or if the file has no such date, give --start and --rate"
        )
    per_day = 200.0 if rate is None else rate
    if not per_day > 0:
        raise Failure(f"--rate is {per_day:g}: it must be more than 0 leads per day")
    first = start if start.tzinfo else start.replace(tzinfo=UTC)
    return first, timedelta(days=1) / per_day
