"""`crm replay`: show the lag of the tables, rebuild them from the log, verify them."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter, validators

from projections.engine.rebuild import Rebuild
from projections.engine.rebuild_result import (
    RebuildDifference,
    RebuildResult,
)
from services.cli.id_prefix import find_id
from services.replay import replay
from services.replay.progress import show_result, show_stages
from services.replay.runner import RebuildImpossible, run_rebuild
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
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
CORES = os.cpu_count() or 1
AT_LEAST_ONE = validators.Number(gte=1)


@app.command
def status(*, json: bool = False, shards: bool = False) -> None:
    """Show the positions of the log, the bus and the tables.

    Parameters
    ----------
    json
        Print one JSON document.
    shards
        Also show each shard that has events.
    """
    summary = asyncio.run(_with_pool(replay.status))
    if json:
        print_json(summary)
        return
    rows = [row for row in summary.pop("shards") if row["head"] or row["reached"]]
    print_rows([{"what": name, "is": value} for name, value in summary.items()], ["what", "is"])
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
    """Build tables from the log, compare them with the live ones, and swap them in.

    The live tables are used and updated meanwhile.
    If the rows differ, nothing is swapped and the exit code is 1, unless --repair is given.

    Parameters
    ----------
    names
        The projections to rebuild.
    all_
        Rebuild all projections.
    source
        Read the events from the log, or from the bus (missing ones still from the log).
    repair
        Swap although the rows differ, because the live ones are damaged.
    dry_run
        Only build and compare, as `verify` does.
    workers
        The number of processes for a long log; by default one for each core.
    json
        Print one JSON document.
    """
    if bool(names) == all_:
        raise Failure("give either names of projections or --all")
    if dry_run:
        return verify(*names, source=source, workers=workers, json=json)
    try:
        result = _run(names, source, workers, lambda rebuild: rebuild.rebuild(repair=repair))
    except RebuildDifference as error:
        show_result(RebuildResult(comparisons=list(error.comparisons)), json=json)
        raise Failure(str(error)) from error
    show_result(result, json=json)
    return 0


@app.command
def verify(
    *names: str,
    source: Literal["log", "kafka"] = "log",
    workers: Annotated[int, Parameter(validator=AT_LEAST_ONE)] = CORES,
    json: bool = False,
) -> int:
    """Compare the live rows with freshly built ones.

    Exit code 1 if they differ, or if projection stands still: then the live rows are old.

    Parked events are a difference too: both sides lack them.

    Parameters
    ----------
    names
        The projections to verify; by default all.
    source
        Read the events from the log, or from the bus.
    workers
        The number of processes for a long log; by default one for each core.
    json
        Print one JSON document.
    """
    result = _run(names, source, workers, Rebuild.verify)
    show_result(result, json=json)
    return 0 if result.is_complete and result.standstill is None else 1


@app.command
def show(lead: str, *, json: bool = False) -> int:
    """Show the events of one lead in the order of the log, and its rows in all tables.

    Parameters
    ----------
    lead
        The id of the lead, or its beginning.
    json
        Print one JSON document.
    """
    history, rows = asyncio.run(_show(lead))
    if json:
        print_json({"events": history, "rows": rows})
        return 0
    print_rows(
        history,
        ["position", "occurred_at", "event_type", "entity_type", "version", "payload"],
    )
    for table, table_rows in rows.items():
        NOTES.rule(f"{table}: {len(table_rows)}")
        if table_rows:
            print_rows(table_rows, list(table_rows[0]))
    return 0


def _run(
    names: tuple[str, ...],
    source: str,
    workers: int,
    action: Callable[[Rebuild], Awaitable[RebuildResult]],
) -> RebuildResult:
    with show_stages() as progress:
        try:
            return asyncio.run(run_rebuild(names, source, workers, action, progress))
        except RebuildImpossible as error:
            raise Failure(str(error)) from error


async def _show(lead: str) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    async with pooled(DatabaseSettings(), "crm replay show", size=1, role=None) as pool:
        find = partial(replay.find_leads, pool)
        lead_id = await find_id(lead, find, what="lead with events", hint="see GET /api/leads")
        return await replay.load_history(pool, lead_id), await replay.load_rows(pool, lead_id)


async def _with_pool(work: Any) -> Any:
    async with pooled(DatabaseSettings(), "crm replay", size=1, role=None) as pool:
        return await work(pool)
