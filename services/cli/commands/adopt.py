"""`crm adopt`: append events for the leads, conversations and messages that the host already has.

The host's rows are not changed. From then on the host's other code may continue to write these
tables with SQL: the database logs what it writes. The exit code is 1 if rows are left to adopt.
"""

import asyncio
import csv
from pathlib import Path
from typing import Annotated, Any

import asyncpg
from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from services.adoption import adoption
from services.adoption.adopted_tables import AdoptionCounts, count_rows, find_left_out
from services.adoption.trigger_exemption import describe_triggers, exempt_engine, read_triggers
from services.runtime.database import connect, pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.host_columns import find_column_problems
from services.runtime.terminal import Failure, examples, note, print_json, print_rows, progress_bar

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
    keep_triggers: Annotated[bool, Parameter(negative="")] = False,
    json: bool = False,
) -> int:
    """Adopt every row that has no event yet. Repeating it continues, or changes nothing.

    Parameters
    ----------
    dry_run
        Only count the rows (adopted, to adopt, and not adoptable with the reason), and list the
        host's columns that the core's rows do not fit, and its triggers with what they will do.
    open_
        Let the host's other code write these tables, although it has no rows in them yet.
    left_out
        A CSV file to write, with each row that cannot be adopted and the reason.
    keep_triggers
        Let the host's triggers fire for the rows that the core writes. Without it, they get a
        condition, with which they fire for the host's own writes only.
    json
        Print one JSON document.
    """
    summary = asyncio.run(
        _adopt(dry_run=dry_run, open_=open_, path=left_out, keep_triggers=keep_triggers)
    )
    print_json(summary) if json else _show(summary)
    return 0 if dry_run or summary["complete"] else 1


async def _adopt(
    *, dry_run: bool, open_: bool, path: Path | None, keep_triggers: bool
) -> dict[str, Any]:
    settings = DatabaseSettings().model_copy(
        update={"statement_timeout_seconds": STATEMENT_SECONDS}
    )
    async with pooled(settings, "crm adopt", size=3) as pool:
        new: dict[str, int] = {}
        is_complete = False
        async with pool.acquire() as conn:
            columns = [str(problem) for problem in await find_column_problems(conn)]
        if columns and not dry_run:
            raise Failure("the core cannot store its rows: " + "; ".join(columns))
        if not (dry_run or keep_triggers):
            await _exempt_engine(settings)
        if not dry_run:
            new = await _adopt_with_progress(pool, open_=open_)
            is_complete = await adoption.mark_complete(pool)
        tables = await count_rows(pool)
        async with pool.acquire() as conn:
            triggers = describe_triggers(
                await read_triggers(conn), is_planned=dry_run and not keep_triggers
            )
        if path is not None:
            await _write_left_out(pool, path)
    return {
        "dry_run": dry_run,
        "complete": is_complete,
        "tables": [_table_summary(counts, new.get(counts.table, 0)) for counts in tables],
        "left_out": [
            {"table": counts.table, "why": why, "rows": number, "some": [str(key) for key in some]}
            for counts in tables
            for why, (number, some) in counts.left_out.items()
        ],
        "triggers": triggers,
        "columns": columns,
    }


async def _exempt_engine(settings: DatabaseSettings) -> None:
    """Change the host's triggers as the login, which can be the owner of the tables."""
    conn = await connect(settings, "crm adopt", role=None)
    try:
        await exempt_engine(conn)
    finally:
        await conn.close()


def _table_summary(counts: AdoptionCounts, new: int) -> dict[str, Any]:
    return {
        "table": counts.table,
        "rows": counts.rows,
        "adopted": counts.adopted,
        "new": new,
        "to_adopt": counts.to_adopt,
        "left_out": sum(number for number, _ in counts.left_out.values()),
    }


async def _adopt_with_progress(pool: asyncpg.Pool, *, open_: bool) -> dict[str, int]:
    columns = (
        TextColumn("{task.description:>13}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with progress_bar(*columns) as bars:
        tasks = {
            counts.table: bars.add_task(counts.table, total=counts.to_adopt)
            for counts in await count_rows(pool)
        }
        try:
            return await adoption.adopt(
                pool, lambda table, more: bars.advance(tasks[table], more), open_=open_
            )
        except (adoption.AdoptionRunning, adoption.NothingToAdopt) as error:
            raise Failure(str(error)) from error


async def _write_left_out(pool: asyncpg.Pool, path: Path) -> None:
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, ["table", "id", "why"])
        rows.writeheader()
        async for row in find_left_out(pool):
            rows.writerow(row)


def _show(summary: dict[str, Any]) -> None:
    print_rows(summary["tables"], ["table", "rows", "adopted", "new", "to_adopt", "left_out"])
    if summary["left_out"]:
        print_rows(summary["left_out"], ["table", "why", "rows", "some"])
    for problem in summary["columns"]:
        note(problem)
    if summary["triggers"]:
        print_rows(summary["triggers"], ["table", "trigger", "fires", "function", "effect"])
    if summary["complete"]:
        note("adoption is complete: the host's other code may continue to write these tables")
    elif not summary["dry_run"]:
        note("the host is writing rows that are left to adopt: run `crm adopt` again")
