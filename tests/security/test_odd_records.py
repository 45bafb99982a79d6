"""Records on `crm.events` that are no records of the core stop none of its readers."""

import asyncpg
import pytest

from events.bus.read import Reader
from events.bus.verify import VerifyingReader
from events.log import sequencer
from projections.catalog import LIVE
from projections.engine.bus_source import BusSource
from projections.engine.rebuild import Rebuild
from projections.engine.shadow_fold import make_fold
from services.replay import replay
from services.runtime.metrics import REGISTRY
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    append_chats,
    assert_live_equals_rebuilt,
    events_topic,
    run_processes,
    wait_until_level,
)
from tests.services.intake.processes import Raw, send_to
from tests.world import make_world

ODD: list[Raw] = [
    (b"x", [("unreadable", b"x")]),  # a header name that is not UTF-8
    (b"x", [("a", None), ("unreadable", None), ("crm-digest", None)]),
    (b"x", [("crm-digest", b"\xff:\xff")]),
    (b"", []),
    (None, []),
]
"""Records with a null key, sent to each partition in one batch."""
PARTITIONS = 8


def refused() -> float:
    name = "crm_records_refused_total"
    reasons = ("no_digest", "unknown_key")
    return sum(REGISTRY.get_sample_value(name, {"reason": reason}) or 0 for reason in reasons)


@pytest.mark.stack
async def test_odd_records_stop_neither_projector_nor_relay_nor_rebuild(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    world, topic = await make_world(pool, properties=3), events_topic(kafka_settings)
    await append_chats(world, 1)
    before = refused()

    async def is_published() -> bool:
        status = await replay.status(pool)
        return bool(status["published"] == status["position"])

    async with run_processes(kafka_settings):
        await wait_until_level(pool)
        for partition in range(PARTITIONS):
            await send_to(kafka_settings, partition, ODD, topic)
        # The projector reads on behind the records; the log alone would not bring it there.
        await until(lambda: refused() == before + PARTITIONS * len(ODD))
    async with run_processes(kafka_settings):  # the relay reads the last records of the topic
        await append_chats(world, 1)
        await wait_until_level(pool)
        await until(is_published)
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
    verifying = VerifyingReader(owner_pool, topic, state.id)
    reader = Reader(kafka_settings.kafka_bootstrap_servers, verifying)
    await reader.start()
    try:
        source = BusSource(owner_pool, reader, state.generation)
        fold = make_fold(owner_pool, source.histories)
        assert (await Rebuild(owner_pool, LIVE, LIVE, fold, lambda *_: None).verify()).equal
    finally:
        await reader.stop()
    assert source.missing == 0
    await assert_live_equals_rebuilt(owner_pool)
