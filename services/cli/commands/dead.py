"""`crm dead`: what the intake refused; list it, look at it, drive it in again, drop it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import asyncpg
from cyclopts import App, Parameter
from rich.progress import Progress

from services.intake import dead_letters
from services.intake.admission import CONNECTIONS
from services.intake.dead_letters import Wanted
from services.intake.redrive import give_up, shown
from services.intake.redrive import redrive as drive_in
from services.intake.settings import IntakeSettings
from services.runtime.database import pooled
from services.runtime.settings import DatabaseSettings
from services.runtime.terminal import NOTES, Failure, examples, note, print_json, print_rows

T = TypeVar("T")
COLUMNS = [
    "id",
    "first_at",
    "reason",
    "event_type",
    "property_id",
    "ce_source",
    "attempts",
    "detail",
]

app = App(
    name="dead",
    help_epilogue=examples(
        "crm dead list --reason unknown_subject",
        "crm dead show 4f0a…",
        "crm dead redrive --reason unknown_profile --dry-run",
        "crm dead redrive --all",
        "crm dead drop 4f0a… 77bc…",
    ),
    help_format="plaintext",
)


@Parameter(name="*")
@dataclass(frozen=True)
class Which:
    """Which letters; all filters must hold."""

    reason: Annotated[str | None, Parameter(help="why they were refused")] = None
    property_: Annotated[UUID | None, Parameter(name="--property")] = None
    type_: Annotated[str | None, Parameter(name="--type", help="such as lead.captured")] = None
    source: Annotated[str | None, Parameter(help="the producer's CloudEvents source")] = None

    @property
    def any(self) -> bool:
        return any((self.reason, self.property_, self.type_, self.source))

    def wanted(self, ids: Sequence[UUID] = (), status: str | None = "open") -> Wanted:
        return Wanted(ids, status, self.reason, self.property_, self.type_, self.source)


NONE = Which()


@app.command(name="list")
def list_(
    *, which: Which = NONE, status: Literal["open", "redriven", "dropped", "all"] = "open",
    limit: int = 100, json: bool = False,
) -> None:  # fmt: skip
    """Dead letters, oldest first."""
    wanted = which.wanted(status=None if status == "all" else status)
    rows = asyncio.run(_with_pool(lambda pool: _find(pool, wanted, limit)))
    print_rows(
        [{name: row[name] for name in (*COLUMNS, "status", "event_id", "org_id")} for row in rows],
        COLUMNS, as_json=json, empty="no dead letters",
    )  # fmt: skip
    if (
        len(rows) == limit
        and (all_ := asyncio.run(_with_pool(lambda p: _count(p, wanted)))) > limit
    ):
        note(f"{limit} of {all_}, the oldest: --limit shows more")


@app.command
def show(letter: UUID, /) -> None:
    """One letter, whole, as JSON."""
    wanted = Wanted([letter], status=None)
    rows = asyncio.run(_with_pool(lambda pool: _find(pool, wanted, 1)))
    if not rows:
        raise Failure(f"no such dead letter: {letter}")
    print_json(shown(rows[0]))


@app.command
def redrive(
    *letters: UUID, which: Which = NONE,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False, json: bool = False,
) -> int:  # fmt: skip
    """Drive letters in again, oldest first; exit code 1 where some are refused again."""
    wanted, count = _chosen(letters, which, everything=all_)
    if dry_run:
        return _dry("driven in again", count, json=json)

    async def drive(pool: asyncpg.Pool) -> dict[str, int]:
        with Progress(console=NOTES, transient=True) as bar:
            task = bar.add_task("redriving", total=count)
            fates = await drive_in(pool, IntakeSettings(), wanted, lambda n: bar.advance(task, n))
        return {fate: fates[fate] for fate in ("accepted", "duplicate", "waiting", "dead")}

    fates = asyncio.run(_with_pool(drive))
    print_json(fates) if json else print_rows([fates], list(fates))
    return 1 if fates["dead"] else 0


@app.command
def drop(
    *letters: UUID, which: Which = NONE,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False, json: bool = False,
) -> int:  # fmt: skip
    """Give letters up: they stay in the table, marked as dropped."""
    wanted, count = _chosen(letters, which, everything=all_)
    if dry_run:
        return _dry("dropped", count, json=json)
    dropped = asyncio.run(_with_pool(lambda pool: give_up(pool, wanted)))
    print_json({"dropped": dropped}) if json else note(f"{dropped} dropped")
    return 0


def _chosen(letters: Sequence[UUID], which: Which, *, everything: bool) -> tuple[Wanted, int]:
    """The open letters that are meant, and how many; nothing is ever meant by saying nothing."""
    if not (letters or which.any or everything):
        raise Failure("say which: ids, --reason, --property, --type, --source, or --all")
    wanted = which.wanted(letters)
    if letters:
        found = asyncio.run(_with_pool(lambda pool: _find(pool, wanted, len(letters))))
        there = {row["id"] for row in found}
        if missing := [str(key) for key in letters if key not in there]:
            raise Failure(f"no such dead letter (or not open): {', '.join(missing)}")
    return wanted, asyncio.run(_with_pool(lambda pool: _count(pool, wanted)))


def _dry(what: str, count: int, *, json: bool) -> int:
    print_json({"dry_run": True, "letters": count}) if json else note(f"{count} would be {what}")
    return 0


async def _find(pool: asyncpg.Pool, wanted: Wanted, limit: int) -> Sequence[asyncpg.Record]:
    async with pool.acquire() as conn:
        return await dead_letters.find(conn, wanted, limit)


async def _count(pool: asyncpg.Pool, wanted: Wanted) -> int:
    async with pool.acquire() as conn:
        return await dead_letters.count(conn, wanted)


async def _with_pool(ask: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    settings = DatabaseSettings()
    size = max(settings.pool_size, CONNECTIONS)  # a door decides on connections beside its own
    async with pooled(settings, "crm dead", size=size) as pool:
        return await ask(pool)
