"""`crm import`: leads of another system, from a CSV file and a mapping."""

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

from services.lead_import.file import CsvFile
from services.lead_import.importer import Importer, Result, Told
from services.lead_import.lines import WITHIN, Place
from services.lead_import.mapping import BadMapping, read_mapping
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
    """Import leads with what they did; again changes nothing. Exit code 1 where lines are refused.

    Parameters
    ----------
    file
        A CSV file with a header.
    property_
        Whose leads they are.
    mapping
        A TOML file that says what the columns mean (see docs/examples).
    start
        When the first lead arrived; UTC where it has no offset.
    rate
        Leads a day from then on. The same start and rate give every line the same instant.
    results
        Write what became of each line to this CSV file.
    dry_run
        Only show what would happen, and which columns say nothing that the mapping knows.
    """
    at = start if start.tzinfo else start.replace(tzinfo=UTC)
    if rate <= 0:
        raise Failure("--rate is how many leads arrive a day: more than 0")
    try:
        said = asyncio.run(_import(file, mapping, property_, at, rate, results, dry_run=dry_run))
    except BadMapping as error:
        raise Failure(str(error)) from None
    print_json(said) if json else _show(said)
    return 1 if said["refused"] else 0


async def _import(
    path: Path, mapping: Path, property_id: UUID, start: datetime, rate: float,
    results: Path | None, *, dry_run: bool,
) -> dict[str, Any]:  # fmt: skip
    async with pooled(DatabaseSettings(), "crm import") as pool:
        org_id = await _org_of(pool, property_id)
        place = Place(org_id, property_id, start, timedelta(days=1) / rate)
        file = CsvFile(path, read_mapping(mapping), place)
        count = len(file)
        if (last := start + place.apart * count + WITHIN) > datetime.now(UTC):
            raise Failure(
                f"the last of {count} leads would be active until {last.isoformat()}, not yet: "
                "choose an earlier --start or a higher --rate"
            )
        importer = Importer(pool, dry_run=dry_run)
        refused: list[Told] = []
        with ExitStack() as stack:
            bar = stack.enter_context(Progress(console=NOTES, transient=True))
            task = bar.add_task("previewing" if dry_run else "importing", total=count)
            write = (
                csv.writer(stack.enter_context(results.open("w", newline=""))) if results else None
            )
            if write:
                write.writerow(COLUMNS)

            def tell(told: Told) -> None:
                bar.advance(task)
                if write:
                    write.writerow([getattr(told, column) for column in COLUMNS])
                if told.result is Result.REFUSED and len(refused) < SHOWN_REFUSALS:
                    refused.append(told)

            await importer.run(file.lines(), tell)
    found = importer.totals.results
    return {
        "dry_run": dry_run,
        "lines": count,
        **{result.value: found[result.value] for result in Result},
        "events": dict(importer.totals.events),
        "not_understood": file.unread(),
        "refusals": [{"line": told.line, "why": told.detail} for told in refused],
    }


async def _org_of(pool: asyncpg.Pool, property_id: UUID) -> UUID:
    org: UUID | None = await pool.fetchval(
        "SELECT org_id FROM properties WHERE id = $1", property_id
    )
    if org is None:
        raise Failure(f"there is no property {property_id}: see `crm property list`")
    return org


def _show(said: dict[str, Any]) -> None:
    would = "would be " if said["dry_run"] else ""
    rows = [{"lines": said["lines"], **{key: said[key] for key in ("new", "known", "refused")}}]
    print_rows(rows, ["lines", "new", "known", "refused"])
    events = [{"event": name, f"{would}appended": n} for name, n in said["events"].items()]
    print_rows(events, ["event", f"{would}appended"], empty=f"no events {would}appended")
    if said["dry_run"]:
        print_rows(
            said["not_understood"], ["column", "mapped", "lines", "values"],
            empty="the mapping says something about every column and value",
        )  # fmt: skip
    if said["refusals"]:
        print_rows(said["refusals"], ["line", "why"])
