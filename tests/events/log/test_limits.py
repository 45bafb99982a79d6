"""Limits of events: without them one event could stop the relay or a projector."""

import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from events.activities import ActivityRecorded, ActivityType
from events.bus import publish
from events.event import Event
from events.leads import LeadCaptured
from events.log import limits
from events.log.errors import LimitExceeded
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


def activity(**metadata: object) -> Event:
    return ActivityRecorded(
        activity_id=uuid4(), lead_id=uuid4(), type=ActivityType.NOTE, metadata=metadata
    )


def captured_from(source: str) -> Event:
    """Create an event without validation, as faulty code could."""
    return LeadCaptured.model_construct({"lead_id", "source"}, lead_id=uuid4(), source=source)


async def test_an_event_of_more_than_256_kib_is_refused(world: World) -> None:
    max_text = limits.MAX_EVENT_BYTES - len(limits.seal_checked(activity(text="")))
    assert (await world.append(world.new(activity(text="x" * max_text)))).new
    with pytest.raises(LimitExceeded, match="262,144"):
        await world.append(world.new(activity(text="x" * (max_text + 1))))


def test_two_events_of_maximum_size_fit_into_a_batch() -> None:
    assert limits.MAX_EVENT_BYTES * 2 <= publish.BATCH_BYTES


@pytest.mark.parametrize("number", [1e300, -1.5e300, 1e-300, -2.5e-300, 5e-324])
async def test_a_number_counts_with_all_digits_that_postgresql_prints(
    world: World, number: float
) -> None:
    """PostgreSQL prints 1e300 as a one and three hundred zeros."""
    below_limit = world.new(activity(text='[1e300,"1e300', a=[number] * 700))
    await world.append(below_limit)
    written = await world.pool.fetchval(
        "SELECT octet_length(payload::text) FROM crm_events WHERE id = $1", below_limit.id
    )
    assert written > 200_000
    for count in (1_000, 8_000):
        with pytest.raises(LimitExceeded, match="the limit is 262,144"):
            await world.append(world.new(activity(a=[number] * count)))
    assert (await world.append(world.new(activity(text="1e300," * 40_000)))).new


UNSTORABLE = {
    "a\\x00b": captured_from("a\x00b"),
    "in free JSON": activity(text="a\x00b"),
    "as a key": activity(**{"\x00": 1}),
    "deep, after a backslash": activity(nested=[{"deep": "\\\x00"}]),
    "half of an emoji": captured_from("half of an emoji \ud83c"),
    "a lone low surrogate": activity(text="\udfe0"),
}
LOOKALIKES = ("\\u0000", "\\\\u0000", "\\\\\\u0000", "u0000", "\\")


async def test_text_that_postgresql_cannot_store_is_refused(world: World) -> None:
    for event in UNSTORABLE.values():
        with pytest.raises(LimitExceeded, match=r"U\+0000|Unicode"):
            await world.append(world.new(event))
    assert await world.count("crm_events WHERE actor = 'test'") == 0


async def test_an_escaped_backslash_before_u0000_is_allowed(world: World) -> None:
    for text in LOOKALIKES:
        event = world.new(activity(text=text))
        await world.append(event)
        async with world.pool.acquire() as conn:
            stored = await conn.fetchval(
                "SELECT payload -> 'metadata' FROM crm_events WHERE id = $1", event.id
            )
        assert stored == {"text": text}


async def test_an_event_in_the_future_or_before_1990_is_refused(world: World) -> None:
    now = datetime.now(UTC)
    assert (await world.append(world.new(activity(), at=now + timedelta(seconds=90)))).new
    for at in (now + timedelta(minutes=3), datetime(1989, 12, 31, tzinfo=UTC)):
        with pytest.raises(LimitExceeded):
            await world.append(world.new(activity(), at=at))
    naive = datetime.now(UTC).replace(tzinfo=None)
    with pytest.raises(LimitExceeded, match="time zone"):
        await world.append(world.new(activity(), at=naive))


async def test_the_table_refuses_a_payload_that_postgresql_prints_too_large(
    pool: asyncpg.Pool,
) -> None:
    """The payload has 22 KB as it was written, and less when it is compressed."""
    await make_world(pool)
    with pytest.raises(asyncpg.CheckViolationError, match="does not fit a record"):
        await pool.execute(
            "UPDATE organizations SET settings = jsonb_build_object('x', "
            "(SELECT jsonb_agg(1e300) FROM generate_series(1, 3700)))"
        )


async def test_the_table_refuses_a_payload_that_is_too_large(
    world: World, pool: asyncpg.Pool
) -> None:
    """The check also holds for events that database triggers of the host append."""
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute(
                "UPDATE organizations SET settings = jsonb_build_object('x', $1::text)",
                os.urandom(800_000).hex(),
            )
