"""`crm replay`: where the tables stand, rebuild them from history, verify them against it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import AsyncExitStack
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
from cyclopts import App, Parameter, validators

from projections.engine.adoption import NotAdopted
from projections.engine.outcome import Busy, Differs, Incomplete, Outcome
from projections.engine.rebuild import Rebuild
from projections.engine.refold import CannotFold
from projections.engine.working_set import Poison
from services.replay import replay
from services.replay.progress import report, stages
from services.runtime.database import pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.settings import DatabaseSettings, Settings
from services.runtime.terminal import NOTES, Failure, examples, print_json, print_rows

app = App(
    name="replay",
    help_epilogue=examples(
        "crm replay status",
        "crm replay verify",
        "crm replay rebuild lead_scores",
        "crm replay rebuild --all --source kafka",
        "crm replay show 0192f0c1-…",
    ),
    help_format="plaintext",
)
STATEMENT_SECONDS = 3_600.0
WORTH_WORKERS = 100_000
"""A log of so many events takes longer to fold than workers take to start."""
CORES = os.cpu_count() or 1
AT_LEAST_ONE = validators.Number(gte=1)


@app.command
def status(*, json: bool = False, shards: bool = False) -> None:
    """How far the log, the bus and the tables are.

    Parameters
    ----------
    shards
        Also each shard that holds anything.
    """
    found = asyncio.run(_with_pool(replay.status))
    if json:
        print_json(found)
        return
    rows = [row for row in found.pop("shards") if row["head"] or row["reached"]]
    print_rows([{"what": k, "is": v} for k, v in found.items()], ["what", "is"])
    if shards:
        print_rows(rows, ["shard", "head", "reached", "lag_events", "parked", "owner"])


@app.command
def rebuild(
    *names: str,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    source: Literal["log", "kafka"] = "log",
    repair: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    workers: Annotated[int, Parameter(validator=AT_LEAST_ONE)] = CORES,
    json: bool = False,
) -> int:
    """Fold history into new tables, compare them with the live ones, put them in their place.

    The live tables serve and go on meanwhile. Exit code 1 where the rows differ; then nothing is
    swapped unless `--repair` is given.

    Parameters
    ----------
    names
        The projections to rebuild.
    all_
        All of them.
    source
        Where history is read: the log, or the bus (what it lacks comes from the log).
    repair
        Swap the rebuilt rows in although they differ: the live ones are damaged.
    dry_run
        Fold and compare only, as `verify` does.
    workers
        How many processes fold a long log; one a core where nothing is said.
    """
    if bool(names) == all_:
        raise Failure("name the projections to rebuild, or say --all")
    if dry_run:
        return verify(*names, source=source, workers=workers, json=json)
    try:
        outcome = asyncio.run(
            _run(names, source, workers, lambda work: work.rebuild(repair=repair))
        )
    except Differs as error:
        report(Outcome(comparisons=list(error.comparisons)), json=json)
        raise Failure(str(error)) from error
    report(outcome, json=json)
    return 0


@app.command
def verify(
    *names: str,
    source: Literal["log", "kafka"] = "log",
    workers: Annotated[int, Parameter(validator=AT_LEAST_ONE)] = CORES,
    json: bool = False,
) -> int:
    """Compare the live rows with a fresh fold at the same position; exit code 1 where they differ.

    Parameters
    ----------
    names
        The projections to look at; all of them where none is named.
    source
        Where history is read: the log, or the bus.
    workers
        How many processes fold a long log; one a core where nothing is said.
    """
    outcome = asyncio.run(_run(names, source, workers, Rebuild.verify))
    report(outcome, json=json)
    return 0 if outcome.equal else 1


@app.command
def show(lead: UUID, *, json: bool = False) -> int:
    """One lead: its facts in the order of the log, and what the tables hold of it.

    Parameters
    ----------
    lead
        The lead's id.
    """
    recorded_events, rows = asyncio.run(_show(lead))
    if not recorded_events:
        raise Failure(f"the log knows no lead {lead}")
    if json:
        print_json({"facts": recorded_events, "rows": rows})
        return 0
    print_rows(
        recorded_events,
        ["position", "occurred_at", "event_type", "entity_type", "version", "payload"],
    )
    for table, found in rows.items():
        NOTES.rule(f"{table}: {len(found)}")
        if found:
            print_rows(found, list(found[0]))
    return 0


async def _run(
    names: tuple[str, ...], source: str, count: int, act: Callable[[Rebuild], Awaitable[Outcome]]
) -> Outcome:
    """Fold in this process, or in workers where the log is long enough to be worth their start."""
    collect_rarely()
    _known(names)
    bus = Settings() if source == "kafka" else None
    settings = _patient()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pooled(settings, "crm replay", role=None))
        await _demand_sight(pool)
        workers = None
        if bus is None and count > 1 and await replay.log_length(pool) >= WORTH_WORKERS:
            workers = await stack.enter_async_context(replay.workers(settings, names, count))
        progress = stack.enter_context(stages())
        work = await stack.enter_async_context(
            replay.rebuilding(pool, names, progress, bus=bus, workers=workers)
        )
        try:
            return await act(work)
        except (Busy, Incomplete, NotAdopted, CannotFold, Poison) as error:
            raise Failure(str(error)) from error
        except BrokenProcessPool as error:
            raise Failure(
                "a worker was killed, perhaps for its memory: try again with fewer --workers"
            ) from error


async def _demand_sight(pool: asyncpg.Pool) -> None:
    """Live rows that row level security hides would be called differences."""
    sees_all = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    if not await pool.fetchval(sees_all):
        raise Failure(
            "this database role is subject to row level security and cannot compare rows: "
            "connect as a superuser or as a role with BYPASSRLS"
        )


async def _show(lead: UUID) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    async with pooled(DatabaseSettings(), "crm replay show", size=1, role=None) as pool:
        return await replay.history_of(pool, lead), await replay.rows_of(pool, lead)


async def _with_pool(work: Any) -> Any:
    async with pooled(DatabaseSettings(), "crm replay", size=1, role=None) as pool:
        return await work(pool)


def _known(names: tuple[str, ...]) -> None:
    try:
        replay.part_of(names)
    except LookupError as error:
        raise Failure(str(error)) from error


def _patient() -> DatabaseSettings:
    """Copying and indexing whole tables takes longer than a query may."""
    return DatabaseSettings().model_copy(update={"statement_timeout_seconds": STATEMENT_SECONDS})
