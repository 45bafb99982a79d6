"""`crm dead`: list, show, redrive or drop the records that the intake rejected."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from uuid import UUID, uuid4

import asyncpg
from cyclopts import App, Parameter

from services.application import dead_letters
from services.application.dead_letters import DeadLetterFilter
from services.application.edited_records import NotEditable, edit_record, replace_dead_letter
from services.application.rejection import RejectedRecord
from services.application.sealed_records import DeadLetter
from services.cli.changed_rows import print_preview
from services.cli.dead_letter_options import NO_OPTIONS, DeadLetterOptions
from services.cli.id_prefix import find_id
from services.intake import redrive as redriving
from services.intake.admission import ADMISSION_CONNECTIONS
from services.intake.redrive_preview import preview_redrive
from services.intake.settings import load_intake_settings
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_json, print_rows, progress_bar

T = TypeVar("T")
COLUMNS = [
    "id", "first_at", "reason", "event_type", "property_id", "ce_source", "attempts", "detail",
]  # fmt: skip
RESULTS = ("accepted", "duplicate", "waiting", "dead")

app = App(
    name="dead",
    help_epilogue=examples(
        "crm dead list --reason unknown_subject",
        "crm dead show 4f0a…",
        "crm dead redrive --reason unknown_profile --dry-run",
        "crm dead redrive --all",
        "crm dead edit 4f0a… corrected.json --reason 'the price was a text'",
        "crm dead drop 4f0a… 77bc…",
    ),
    help_format="plaintext",
)


@app.command(name="list")
def list_(
    *, options: DeadLetterOptions = NO_OPTIONS,
    status: Literal["open", "redriven", "replaced", "dropped", "all"] = "open",
    limit: int = 100, json: bool = False,
) -> None:  # fmt: skip
    """List dead letters, oldest first.

    Parameters
    ----------
    status
        Only dead letters with this status.
    limit
        The maximum number of rows.
    json
        Print a JSON list.
    """
    chosen = options.to_filter(status=None if status == "all" else status)
    rows = asyncio.run(_with_pool(lambda pool: _find(pool, chosen, limit)))
    print_rows(
        [
            {name: shown[name] for name in (*COLUMNS, "status", "event_id", "org_id")}
            for shown in map(dead_letters.describe, rows)
        ],
        COLUMNS, as_json=json, empty="no dead letters",
    )  # fmt: skip
    if len(rows) == limit:
        total = asyncio.run(_with_pool(lambda pool: _count(pool, chosen)))
        if total > limit:
            note(f"{limit} of {total}, the oldest: --limit shows more")


@app.command
def show(dead_letter: str, /) -> None:
    """Print one dead letter with all its fields as JSON.

    Parameters
    ----------
    dead_letter
        The id of the dead letter, or its beginning.
    """
    chosen = DeadLetterFilter(_resolve([dead_letter], status=None), status=None)
    [dead] = asyncio.run(_with_pool(lambda pool: _find(pool, chosen, 1)))
    print_json(dead_letters.describe(dead))


@app.command
def redrive(
    *ids: str, options: DeadLetterOptions = NO_OPTIONS,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False, json: bool = False,
) -> int:  # fmt: skip
    """Process dead letters again, oldest first. Exit code 1 if some are rejected again.

    Parameters
    ----------
    ids
        The ids of dead letters, or their beginnings.
    all_
        Select all open dead letters.
    dry_run
        Only show what would become of them and the rows that would change, without personal
        values; nothing is written.
    json
        Print one JSON document.
    """
    chosen, count = _choose(ids, options, everything=all_)
    if dry_run:
        return _show_preview(chosen, json=json)

    async def process(pool: asyncpg.Pool) -> dict[str, int]:
        with progress_bar() as bar:
            task = bar.add_task("redriving", total=count)
            counts = await redriving.redrive(
                pool, load_intake_settings(), chosen, lambda n: bar.advance(task, n)
            )
        return {result: counts[result] for result in RESULTS}

    counts = asyncio.run(_with_pool(process))
    print_json(counts) if json else print_rows([counts], list(counts))
    return 1 if counts["dead"] else 0


@app.command
def edit(dead_letter: str, file: Path, /, *, reason: str, json: bool = False) -> int:
    """Send a refused record again with corrected data, as a new record. Exit code 1 if refused.

    The refused record stays as it is, with the status `replaced`.

    Parameters
    ----------
    dead_letter
        The id of the dead letter, or its beginning.
    file
        The file with the data of the event as JSON: see `crm dead show`.
    reason
        The reason, which is recorded as an event if the record is about a lead.
    json
        Print one JSON document.
    """
    chosen = DeadLetterFilter(_resolve([dead_letter], status="open"))
    data = file.read_text()

    async def send(pool: asyncpg.Pool) -> dict[str, int]:
        [dead] = await _find(pool, chosen, 1)
        try:
            record, read = edit_record(
                dead, data, command_id=uuid4(), actor="operator", reason=reason
            )
            async with pool.acquire() as conn, conn.transaction():
                await replace_dead_letter(conn, dead, record, read)
        except (NotEditable, RejectedRecord) as error:
            raise Failure(f"dead letter {dead.id} was not edited: {error}") from None
        note(f"dead letter {dead.id} is replaced by {record.id}")
        edited = DeadLetterFilter([record.id])
        counts = await redriving.redrive(pool, load_intake_settings(), edited, lambda _: None)
        return {result: counts[result] for result in RESULTS}

    counts = asyncio.run(_with_pool(send))
    print_json(counts) if json else print_rows([counts], list(counts))
    return 1 if counts["dead"] else 0


@app.command
def drop(
    *ids: str, options: DeadLetterOptions = NO_OPTIONS,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False, json: bool = False,
) -> int:  # fmt: skip
    """Mark dead letters as dropped; they stay in the table.

    Parameters
    ----------
    ids
        The ids of dead letters, or their beginnings.
    all_
        Select all open dead letters.
    dry_run
        Only count the dead letters.
    json
        Print one JSON document.
    """
    chosen, count = _choose(ids, options, everything=all_)
    if dry_run:
        return _show_count("dropped", count, json=json)

    async def mark(pool: asyncpg.Pool) -> int:
        async with pool.acquire() as conn:
            return await dead_letters.drop(conn, chosen)

    dropped = asyncio.run(_with_pool(mark))
    print_json({"dropped": dropped}) if json else note(f"{dropped} dropped")
    return 0


def _choose(
    ids: Sequence[str], options: DeadLetterOptions, *, everything: bool
) -> tuple[DeadLetterFilter, int]:
    """Return the filter for open dead letters and their number.

    Without ids and options, `--all` must be given: a forgotten option may not select everything.
    """
    if not (ids or options.has_any or everything):
        raise Failure(
            "no dead letters are selected: give ids, --reason, --property, --type, --source or "
            "--all"
        )
    chosen = options.to_filter(_resolve(ids, status="open"))
    return chosen, asyncio.run(_with_pool(lambda pool: _count(pool, chosen)))


def _resolve(ids: Sequence[str], *, status: str | None) -> list[UUID]:
    """Return the ids that these texts are, or begin; raise `Failure` unless each is one id."""
    what = f"{status} dead letter" if status else "dead letter"

    async def find_all(pool: asyncpg.Pool) -> list[UUID]:
        async with pool.acquire() as conn:
            find = partial(dead_letters.find_ids, conn, status=status)
            return [
                await find_id(text, find, what=what, hint="see `crm dead list`") for text in ids
            ]

    return asyncio.run(_with_pool(find_all)) if ids else []


def _show_count(verb: str, count: int, *, json: bool) -> int:
    print_json({"dry_run": True, "letters": count}) if json else note(f"{count} would be {verb}")
    return 0


def _show_preview(chosen: DeadLetterFilter, *, json: bool) -> int:
    shown = asyncio.run(
        _with_pool(lambda pool: preview_redrive(pool, load_intake_settings(), chosen))
    )
    if json:
        print_json({"dry_run": True, "letters": shown["records"], **shown})
        return 0
    print_preview(shown["preview"])
    note(f"{shown['records']} would be redriven")
    note(", ".join(f"{result}: {shown[result]}" for result in RESULTS))
    return 0


async def _find(pool: asyncpg.Pool, chosen: DeadLetterFilter, limit: int) -> Sequence[DeadLetter]:
    async with pool.acquire() as conn:
        return await dead_letters.find(conn, chosen, limit)


async def _count(pool: asyncpg.Pool, chosen: DeadLetterFilter) -> int:
    async with pool.acquire() as conn:
        return await dead_letters.count(conn, chosen)


async def _with_pool(work: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    settings = DatabaseSettings()
    # The admission decides on further connections while it holds its own: fewer would deadlock.
    size = max(settings.pool_size, ADMISSION_CONNECTIONS)
    async with pooled(settings, "crm dead", size=size) as pool:
        return await work(pool)
