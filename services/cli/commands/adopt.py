"""`crm adopt`: make the leads, conversations and messages a host already has the core's too.

Nothing of the host's rows is changed. From then on the host's other code may go on writing these
tables in SQL: the database logs what it writes. Exit code 1 where rows are left to adopt.
"""

import asyncio
import csv
from pathlib import Path
from typing import Annotated, Any

import asyncpg
from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.adoption import adoption as adopting
from services.adoption import tables
from services.runtime.database import pooled
from services.runtime.settings import DatabaseSettings
from services.runtime.terminal import NOTES, Failure, examples, note, print_json, print_rows

STATEMENT_SECONDS = 3_600.0

app = App(
    name="adopt",
    help_epilogue=examples(
        "crm adopt --dry-run", "crm adopt", "crm adopt --left-out rows.csv", "crm adopt --open"
    ),
    help_format="plaintext",
)


@app.default
def adopt(
    *,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    open_: Annotated[bool, Parameter(name="--open", negative="")] = False,
    left_out: Path | None = None,
    json: bool = False,
) -> int:
    """Adopt every row that is no fact yet; again changes nothing, or goes on where it stopped.

    Parameters
    ----------
    dry_run
        Only count: rows, adopted, to adopt, and those that cannot be, with the reason.
    open_
        Let the host's other code write these tables although it has no rows there yet.
    left_out
        Write every row that cannot be adopted, with the reason, to this CSV file.
    """
    said = asyncio.run(_adopt(dry_run=dry_run, open_=open_, path=left_out))
    print_json(said) if json else _show(said)
    return 0 if dry_run or said["complete"] else 1


async def _adopt(*, dry_run: bool, open_: bool, path: Path | None) -> dict[str, Any]:
    settings = DatabaseSettings().model_copy(
        update={"statement_timeout_seconds": STATEMENT_SECONDS}
    )
    async with pooled(settings, "crm adopt", size=3) as pool:
        new: dict[str, int] = {}
        complete = False
        if not dry_run:
            new = await _with_progress(pool, open_=open_)
            complete = await adopting.complete(pool)
        found = await tables.look(pool)
        if path is not None:
            await _write(pool, path)
    return {
        "dry_run": dry_run,
        "complete": complete,
        "tables": [
            {
                "table": each.table,
                "rows": each.rows,
                "adopted": each.adopted,
                "new": new.get(each.table, 0),
                "to_adopt": each.to_adopt,
                "left_out": sum(number for number, _ in each.left_out.values()),
            }
            for each in found
        ],
        "left_out": [
            {"table": each.table, "why": why, "rows": number, "some": [str(key) for key in some]}
            for each in found
            for why, (number, some) in each.left_out.items()
        ],
    }


async def _with_progress(pool: asyncpg.Pool, *, open_: bool) -> dict[str, int]:
    columns = (
        TextColumn("{task.description:>13}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=NOTES, transient=True) as bars:
        tasks = {
            each.table: bars.add_task(each.table, total=each.to_adopt)
            for each in await tables.look(pool)
        }
        try:
            return await adopting.adopt(
                pool, lambda table, more: bars.advance(tasks[table], more), open_=open_
            )
        except (adopting.Busy, adopting.NothingToAdopt) as error:
            raise Failure(str(error)) from error


async def _write(pool: asyncpg.Pool, path: Path) -> None:
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, ["table", "id", "why"])
        rows.writeheader()
        async for row in tables.left_out(pool):
            rows.writerow(row)


def _show(said: dict[str, Any]) -> None:
    print_rows(said["tables"], ["table", "rows", "adopted", "new", "to_adopt", "left_out"])
    if said["left_out"]:
        print_rows(said["left_out"], ["table", "why", "rows", "some"])
    if said["complete"]:
        note("adoption is complete: the host's other code may go on writing these tables")
    elif not said["dry_run"]:
        note("rows are left to adopt, the host is writing them: run `crm adopt` again")
