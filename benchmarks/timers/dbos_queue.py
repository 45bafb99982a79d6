"""The same work with DBOS: a workflow for each timer, whose only step is a transaction.

The step is done exactly once: the transaction stores the row together with its result.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import sqlalchemy
from dbos import DBOS, AsyncSQLAlchemyDatasource, DBOSClient, DBOSConfig, EnqueueOptions

from benchmarks.timers.contender import (
    CONCURRENCY,
    CREATE_ROWS,
    POLL_SECONDS,
    Tally,
    Timer,
    count_bench_rows,
)
from events.log.connection import Connection
from services.runtime.database import pooled
from services.runtime.settings import Settings

QUEUE, WORKFLOW, VERSION = "bench", "bench_timer", "1"
WORKER_WORKFLOWS = 100
"""Workflows that are taken from the queue at most, at each look of the worker."""
INSERT_ROW = sqlalchemy.text("INSERT INTO bench_rows (timer) VALUES (:number)")
INSERT_DEAD_ROWS = (
    "INSERT INTO dbos.workflow_status SELECT (jsonb_populate_record(model, jsonb_build_object("
    "'workflow_uuid', 'dead-' || n))).* FROM dbos.workflow_status model, "
    "generate_series(1, $1::bigint) AS n WHERE workflow_uuid = 'model'"
)
CHANGE_DEAD_ROWS = (
    "UPDATE dbos.workflow_status SET status = 'PENDING' WHERE workflow_uuid LIKE 'dead-%'",
    "UPDATE dbos.workflow_status SET status = 'SUCCESS' WHERE workflow_uuid LIKE 'dead-%'",
    "DELETE FROM dbos.workflow_status WHERE workflow_uuid = 'model'",
)


class DbosQueue:
    """A queue of DBOS; the worker listens to it from the first `working` on."""

    def __init__(self, url: str, pool: asyncpg.Pool) -> None:
        self.tally = Tally(0)
        self._url, self._pool = url, pool

    async def launch(self) -> None:
        """Register the workflow and start DBOS, which does not know the queue yet."""
        DBOS(config=DBOSConfig(
            name="bench", system_database_url=self._url, sys_db_pool_size=CONCURRENCY,
            application_version=VERSION, log_level="CRITICAL",
        ))  # fmt: skip
        source = await AsyncSQLAlchemyDatasource.create(
            self._url, engine_kwargs={"pool_size": CONCURRENCY}
        )

        @source.transaction(isolation_level="READ COMMITTED")  # type: ignore[untyped-decorator]
        async def insert(number: int) -> None:
            await source.sql_session().execute(INSERT_ROW, {"number": number})

        @DBOS.workflow(name=WORKFLOW)  # type: ignore[untyped-decorator]
        async def do(number: int, due_at: float) -> None:
            await insert(number)
            self.tally.add([due_at])

        DBOS.launch()
        self._client = DBOSClient(system_database_url=self._url)

    async def schedule(self, timers: Sequence[Timer]) -> None:
        await asyncio.to_thread(self._schedule, timers)

    def _schedule(self, timers: Sequence[Timer], workflow_id: str | None = None) -> None:
        for timer in timers:
            options = EnqueueOptions(queue_name=QUEUE, workflow_name=WORKFLOW, app_version=VERSION)
            if (delay := timer.due_at - time.time()) > 0:
                options["delay_seconds"] = delay
            if workflow_id is not None:
                options["workflow_id"] = workflow_id
            self._client.enqueue(options, timer.number, timer.due_at)

    async def leave_dead_rows(self, count: int) -> None:
        await asyncio.to_thread(self._schedule, [Timer(-1, 0.0)], "model")
        await self._pool.execute(INSERT_DEAD_ROWS, count)
        for statement in CHANGE_DEAD_ROWS:
            await self._pool.execute(statement)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        await DBOS.register_queue_async(
            QUEUE, worker_concurrency=WORKER_WORKFLOWS, polling_interval_sec=POLL_SECONDS
        )
        yield

    async def count_rows(self, conn: Connection) -> tuple[int, int]:
        return await count_bench_rows(conn)


@asynccontextmanager
async def open_queue(settings: Settings) -> AsyncIterator[DbosQueue]:
    """Create the system tables, and start DBOS."""
    url = urlunsplit(urlsplit(settings.dsn)._replace(scheme="postgresql"))
    async with pooled(settings, "bench timers", role=None, size=2) as pool:
        await pool.execute(CREATE_ROWS)
        queue = DbosQueue(url, pool)
        await queue.launch()
        try:
            yield queue
        finally:
            DBOS.destroy(workflow_completion_timeout_sec=0)
