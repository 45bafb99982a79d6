"""The projector process: folds events into the tables, from the bus or, for a gap, from the log."""

import asyncio

from events.log import sequencer
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.batch import WriterIdentity
from projections.engine.checkpoints import WrongVersion
from projections.engine.projection_pipeline import ProjectionPipeline
from services.event_consumer.process import ConsumerOptions, consume_events
from services.event_consumer.traced_events import TracedEvents
from services.runtime.clock import Clock
from services.runtime.database import ROWS_BY_KEY, pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.process import Checks, OperatorRequired
from services.runtime.schema_readiness import schema_check
from services.runtime.settings import Settings

OPTIONS = ConsumerOptions(
    beyond_log="the tables of shards {shards} are beyond the log, so new events do not reach them: "
    "run `crm replay rebuild --all`"
)


async def work(settings: Settings, stop: asyncio.Event, checks: Checks, _clock: Clock) -> None:
    """Run the process until stopped: consume, project, and let the watchdog look for stalls.

    Raise `OperatorRequired` if tables must be rebuilt first; the process waits for it.
    """
    try:
        await _project(settings, stop, checks)
    except WrongVersion as error:
        raise OperatorRequired(str(error)) from error


async def _project(settings: Settings, stop: asyncio.Event, checks: Checks) -> None:
    collect_rarely()
    async with pooled(settings, "crm projector", plans=ROWS_BY_KEY) as pool:
        async with pool.acquire() as conn:
            state = await sequencer.read_log_state(conn)
            await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
            await checkpoints.require_version(conn, LIVE.name, LIVE.version)
        traced = TracedEvents(state.id)
        pipeline = ProjectionPipeline(
            pool, WriterIdentity(LIVE, state.generation), traced.record_written
        )
        await consume_events(
            settings, stop, checks, pipeline, state, OPTIONS, {"schema": schema_check(pool)},
            traced=traced,
        )  # fmt: skip
