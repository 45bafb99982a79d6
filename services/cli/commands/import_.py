"""`crm import`: import leads of another system from a CSV file with a mapping."""

import asyncio
import csv
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from cyclopts import App, Parameter
from rich.progress import Progress

from services.lead_import.csv_file import CsvFile
from services.lead_import.importer import Importer, LineResult, LineStatus
from services.lead_import.lines import MAX_ACTIVITY_SPAN, ImportTarget
from services.lead_import.mapping import InvalidMapping, read_mapping
from services.runtime.database import pooled
from services.runtime.settings import DatabaseSettings
from services.runtime.terminal import NOTES, Failure, examples, print_json, print_rows

SHOWN_REFUSALS = 5
COLUMNS = ("line", "external_id", "result", "lead_id", "events", "detail")

app = App(
    name="import",
    help_epilogue=examples(
        "crm import leads a.csv --property 0192… --mapping m.toml --start 2026-01-01 --dry-run",
        "crm import leads a.csv --property 0192… --mapping m.toml --start 2026-01-01 --rate 200",
    ),
    help_format="plaintext",
)


@app.command
def leads(
    file: Path,
    /,
    *,
    property_: Annotated[UUID, Parameter(name="--property")],
    mapping: Path,
    start: datetime,
    rate: float = 200,
    results: Path | None = None,
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
        A TOML file that says what the columns mean (see docs/examples).
    start
        The instant at which the first lead arrived; UTC if it has no offset.
    rate
        Leads per day from then on. The same start and rate give each line the same instant.
    results
        A CSV file to write, with the result of each line.
    dry_run
        Only show what would be imported, and which columns and values the mapping does not cover.
    json
        Print one JSON document.
    """
    first = start if start.tzinfo else start.replace(tzinfo=UTC)
    if rate <= 0:
        raise Failure(f"--rate is {rate:g}: it must be more than 0 leads per day")
    try:
        summary = asyncio.run(
            _import(file, mapping, property_, first, rate, results, dry_run=dry_run)
        )
    except InvalidMapping as error:
        raise Failure(str(error)) from None
    print_json(summary) if json else _show(summary)
    return 1 if summary["refused"] else 0


async def _import(
    path: Path, mapping: Path, property_id: UUID, start: datetime, rate: float,
    results: Path | None, *, dry_run: bool,
) -> dict[str, Any]:  # fmt: skip
    async with pooled(DatabaseSettings(), "crm import") as pool:
        org_id = await _load_org(pool, property_id)
        target = ImportTarget(org_id, property_id, start, timedelta(days=1) / rate)
        file = CsvFile(path, read_mapping(mapping), target)
        _refuse_future(target, len(file))
        importer = Importer(pool, dry_run=dry_run)
        refused = await _run(importer, file, results)
    totals = importer.totals
    return {
        "dry_run": dry_run,
        "lines": len(file),
        **{status.value: totals.results[status.value] for status in LineStatus},
        "events": dict(totals.events),
        "not_understood": file.unread(),
        "refusals": [{"line": result.line, "why": result.detail} for result in refused],
    }


async def _run(importer: Importer, file: CsvFile, results: Path | None) -> list[LineResult]:
    """Import with a progress bar, write the result file, return the first refused lines."""
    refused: list[LineResult] = []
    with ExitStack() as stack:
        bar = stack.enter_context(Progress(console=NOTES, transient=True))
        task = bar.add_task("previewing" if importer.dry_run else "importing", total=len(file))
        writer = csv.writer(stack.enter_context(results.open("w", newline=""))) if results else None
        if writer:
            writer.writerow(COLUMNS)

        def report(result: LineResult) -> None:
            bar.advance(task)
            if writer:
                writer.writerow([getattr(result, column) for column in COLUMNS])
            if result.result is LineStatus.REFUSED and len(refused) < SHOWN_REFUSALS:
                refused.append(result)

        await importer.run(file.lines(), report)
    return refused


def _refuse_future(target: ImportTarget, count: int) -> None:
    """Raise `Failure` if the last lead's history would end in the future: the log refuses that."""
    last = target.start + target.interval * count + MAX_ACTIVITY_SPAN
    if last > datetime.now(UTC):
        raise Failure(
            f"the history of the last of {count} leads would end at {last.isoformat()}, in the "
            "future: choose an earlier --start or a higher --rate"
        )


async def _load_org(pool: asyncpg.Pool, property_id: UUID) -> UUID:
    org_id: UUID | None = await pool.fetchval(
        "SELECT org_id FROM properties WHERE id = $1", property_id
    )
    if org_id is None:
        raise Failure(f"there is no property {property_id}: see `crm property list`")
    return org_id


def _show(summary: dict[str, Any]) -> None:
    appended = "would be appended" if summary["dry_run"] else "appended"
    counts = {name: summary[name] for name in ("lines", "new", "known", "refused")}
    print_rows([counts], list(counts))
    events = [{"event": name, appended: count} for name, count in summary["events"].items()]
    print_rows(events, ["event", appended], empty=f"no events {appended}")
    if summary["dry_run"]:
        print_rows(
            summary["not_understood"], ["column", "mapped", "lines", "values"],
            empty="the mapping covers every column and value",
        )  # fmt: skip
    if summary["refusals"]:
        print_rows(summary["refusals"], ["line", "why"])
