"""Run of a rebuild or a verification, as `crm replay` and the replay worker do it."""

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import AsyncExitStack

import asyncpg

from projections.engine.adoption import AdoptionRequired
from projections.engine.rebuild import Rebuild
from projections.engine.rebuild_result import (
    IncompleteSelection,
    RebuildInProgress,
    RebuildResult,
)
from projections.engine.shard_history import UnsupportedEvent
from projections.engine.tail import Progress
from projections.engine.working_set import PoisonEvent
from services.replay import replay
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.garbage_collection import collect_rarely
from services.runtime.settings import Settings

STATEMENT_SECONDS = 3_600.0
MIN_EVENTS_FOR_WORKERS = 100_000
"""With fewer events, the start of worker processes takes longer than they save."""


class RebuildImpossible(Exception):
    """A rebuild or a verification that cannot be done. The message says why and what to do."""


async def run_rebuild(
    names: Sequence[str],
    source: str,
    count: int,
    action: Callable[[Rebuild], Awaitable[RebuildResult]],
    progress: Progress,
    database: DatabaseSettings | None = None,
) -> RebuildResult:
    """Run an action of a rebuild, with `count` worker processes if the log is long.

    Raise `RebuildImpossible` if the action cannot be done.
    """
    collect_rarely()
    _check_names(names)
    bus = Settings() if source == "kafka" else None
    settings = _long_statements(database or DatabaseSettings())
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pooled(settings, "crm replay", role=None))
        await _check_role(pool)
        workers = None
        if bus is None and count > 1 and await replay.count_events(pool) >= MIN_EVENTS_FOR_WORKERS:
            workers = await stack.enter_async_context(replay.start_workers(settings, names, count))
        rebuild = await stack.enter_async_context(
            replay.open_rebuild(pool, names, progress, bus=bus, workers=workers)
        )
        try:
            return await action(rebuild)
        except (
            RebuildInProgress,
            IncompleteSelection,
            AdoptionRequired,
            UnsupportedEvent,
            PoisonEvent,
        ) as error:
            raise RebuildImpossible(str(error)) from error
        except BrokenProcessPool as error:
            raise RebuildImpossible(
                "a worker process was killed, perhaps for lack of memory: use fewer --workers"
            ) from error


async def _check_role(pool: asyncpg.Pool) -> None:
    """Raise `RebuildImpossible` if row level security hides live rows, which would differ then."""
    bypasses = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    if not await pool.fetchval(bypasses):
        raise RebuildImpossible(
            "this database role is subject to row level security and cannot compare rows: "
            "connect as a superuser or as a role with BYPASSRLS"
        )


def _check_names(names: Sequence[str]) -> None:
    try:
        replay.select_group(names)
    except LookupError as error:
        raise RebuildImpossible(str(error)) from error


def _long_statements(database: DatabaseSettings) -> DatabaseSettings:
    """Return settings with a statement timeout for copying and indexing whole tables."""
    return database.model_copy(update={"statement_timeout_seconds": STATEMENT_SECONDS})
