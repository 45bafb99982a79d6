"""Limits of events: without them one event could stop the relay or a projector."""

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.activities import ActivityRecorded, ActivityType
from events.bus import publish
from events.codec import serialize
from events.event import Event
from events.keys.data_key import DataKey
from events.leads import LeadCaptured
from events.log import limits, read
from events.log.errors import LimitExceeded
from events.sealed_payload import seal
from tests.world import World, make_world

ID = UUID(int=1)
MAX_ATTRIBUTE_BYTES = 8 * 1024
"""More than the attributes of a record have."""


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
    max_text = limits.MAX_EVENT_BYTES - len(limits.checked_payload(activity(text="")))
    assert (await world.append(world.new(activity(text="x" * max_text)))).new
    with pytest.raises(LimitExceeded, match="262,144"):
        await world.append(world.new(activity(text="x" * (max_text + 1))))


def test_an_encrypted_event_of_maximum_size_fits_into_a_batch() -> None:
    event = activity(text="")
    text = "x" * (limits.MAX_EVENT_BYTES - len(limits.checked_payload(event)))
    clear, key = limits.checked_payload(activity(text=text)), DataKey(ID, ID, bytes(32))
    sealed = seal(event.name, ID, clear, ["metadata"], key)
    assert limits.MAX_EVENT_BYTES < len(sealed) < publish.BATCH_BYTES - MAX_ATTRIBUTE_BYTES


def test_an_event_of_maximum_size_that_postgresql_prints_longer_is_refused() -> None:
    fixed = len(limits.checked_payload(activity(a=[1e300], text="")))
    text = "x" * (limits.MAX_EVENT_BYTES - fixed)
    with pytest.raises(LimitExceeded, match="the limit is 262,144"):
        limits.checked_payload(activity(a=[1e300], text=text))


@pytest.mark.parametrize("number", [1e300, -1.5e300, 1e-300, -2.5e-300, 5e-324])
async def test_a_number_counts_with_all_digits_that_postgresql_prints(
    world: World, number: float
) -> None:
    """PostgreSQL prints 1e300 as a one and three hundred zeros."""
    below_limit = world.new(activity(text='[1e300,"1e300', a=[number] * 700))
    await world.append(below_limit)
    written = await world.pool.fetchval(
        "SELECT octet_length($1::text::jsonb::text)", serialize(below_limit.event).decode()
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
            [stored] = await read.streams(conn, [event.stream])
        assert stored.event == event.event


def test_an_instant_is_accepted_up_to_two_minutes_ahead_and_from_1990_on() -> None:
    now, tick = datetime(2026, 3, 1, 12, tzinfo=UTC), timedelta.resolution
    latest, earliest = now + timedelta(minutes=2), datetime(1990, 1, 1, tzinfo=UTC)
    for accepted in (latest, earliest):
        limits.check_instant(accepted, now)
    for refused in (latest + tick, earliest - tick):
        with pytest.raises(LimitExceeded):
            limits.check_instant(refused, now)


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
    payload = "jsonb_build_object('x', (SELECT jsonb_agg(1e300) FROM generate_series(1, 3700)))"
    with pytest.raises(asyncpg.CheckViolationError, match="does not fit a record"):
        await pool.execute(
            "INSERT INTO crm_events (id, entity_type, entity_id, version, shard, event_type, "
            "schema_version, org_id, occurred_at, payload, digest, actor, origin) "
            "SELECT gen_random_uuid(), entity_type, gen_random_uuid(), 1, shard, event_type, "
            f"schema_version, org_id, now(), {payload}, digest, actor, origin "
            "FROM crm_events LIMIT 1"
        )
    with pytest.raises(asyncpg.CheckViolationError, match="too large for an event"):
        await pool.execute(f"UPDATE organizations SET settings = {payload}")


async def test_the_table_refuses_a_payload_that_is_too_large(
    world: World, pool: asyncpg.Pool
) -> None:
    """The check holds for what database triggers stage, in the transaction of the host."""
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute(
                "UPDATE organizations SET settings = jsonb_build_object('x', $1::text)",
                os.urandom(800_000).hex(),
            )
