"""The wire format: records equal the rows of the log, and foreign records are refused."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from cloudevents.core.bindings import kafka

from events.bus import wire
from events.bus.digest import RecordDigest
from events.bus.publish import MAX_RECORD_BYTES, Publisher
from events.bus.wire import ForeignRecord, KafkaRecord
from events.codec import read_event
from events.log import read, sequencer
from events.log.secret_keys import KEY_BYTES, SecretKey
from events.properties import OrganizationRecorded
from events.record import Cause, NewEvent, Origin, UnreadableEvent
from events.trace_context import write_traceparent
from tests.events.frozen import SAMPLES, Sample
from tests.events.keys.loaded_keys import forget_keys
from tests.world import make_world

LOG = UUID(int=6)
DIGEST = RecordDigest("events", LOG, [SecretKey(UUID(int=1), bytes(KEY_BYTES))])
DEEP = 100_000
NO_SOURCE = cast("asyncpg.Pool", None)
"""Payloads in clear need no key, so nothing is read."""


def row(**more: Any) -> dict[str, Any]:
    """Return a row of the log in the order of `read.BUS_COLUMNS`."""
    return {
        "id": UUID(int=2),
        "event_type": "lead.noted",
        "schema_version": 1,
        "payload": orjson.dumps({"lead_id": str(UUID(int=3)), "note": "hello"}).decode(),
        "entity_type": "lead",
        "entity_id": UUID(int=3),
        "version": 4,
        "shard": 63,
        "position": 9,
        "previous": 7,
        "org_id": UUID(int=4),
        "property_id": UUID(int=5),
        "lead_id": UUID(int=3),
        "occurred_at": datetime(2026, 11, 22, 10, 0, 0, 1, tzinfo=UTC),
        "recorded_at": datetime(2026, 11, 22, 10, tzinfo=UTC),
        "actor": "user:1",
        "origin": "live",
        "correlation_id": UUID(int=8),
        "causation_id": UUID(int=9),
        "trace_context": None,
    } | more


def record(**more: Any) -> KafkaRecord:
    return wire.record_of(row(**more), LOG, 1)


def edited(**attributes: Any) -> bytes:
    """Return the value of a record with other attributes."""
    return orjson.dumps(orjson.loads(record().value) | attributes)


def without(name: str) -> bytes:
    return orjson.dumps({k: v for k, v in orjson.loads(record().value).items() if k != name})


async def test_a_record_contains_the_same_event_as_its_row(pool: asyncpg.Pool) -> None:
    world, lead = await make_world(pool), uuid4()
    strange = '"Ada" \\ \u2028 \U0001f3e0 {"data":1}'
    await world.append(world.new(world.captured(lead, first_name=strange)))
    await world.append(*map(world.new, [*world.chat(lead, 3), world.engagement(lead)]))
    without_property = OrganizationRecorded(organization_id=world.org_id, display_name=strange)
    cause = Cause(f"producer:{strange}", Origin.IMPORT, uuid4(), uuid4())
    await world.append(
        NewEvent(uuid4(), without_property, world.org_id, None, world.tick(0.000001), cause)
    )
    await world.number()
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        rows = await read.position_rows(conn, after=0, upto=state.position)
    assert {log_row["property_id"] for log_row in rows} == {None, *world.properties}
    for log_row in rows:
        key, value, headers = wire.record_of(log_row, state.id, state.generation)
        received = wire.read_record(value, state.id)
        assert received.generation == state.generation
        decoded = await wire.decode_records(pool, [received])
        assert decoded == await read.decode_rows(pool, [log_row])
        assert key.decode() == str(log_row["property_id"] or log_row["org_id"])
        stored = log_row["trace_context"]
        assert headers == [
            ("content-type", b"application/cloudevents+json"),
            ("traceparent", write_traceparent(stored)),
        ]
        assert stored[:16] == (log_row["correlation_id"] or log_row["id"]).bytes


async def test_the_keys_of_a_batch_are_loaded_by_one_query(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(pool)
    await world.append(*(world.new(world.captured(email=f"{n}@example.com")) for n in range(5)))
    await world.number()
    forget_keys(monkeypatch)
    queries: list[str] = []
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        rows = await read.position_rows(conn, after=0, upto=state.position)
        values = [wire.record_of(row, state.id, state.generation).value for row in rows]
        received = [wire.read_record(value, state.id) for value in values]
        with conn.query_logger(lambda query: queries.append(query.query)):
            loaded = await wire.load_records(conn, received)
            decoded = [event for n in range(len(rows)) for event in loaded.decode(n, n + 1)]
            assert await wire.decode_records(conn, received) == decoded
            await asyncio.sleep(0)  # the driver reports a query in the next turn of the loop
        assert len(queries) == 1
        assert decoded == await read.decode_rows(conn, rows)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
async def test_an_event_of_any_version_is_decoded_as_from_the_log(sample: Sample) -> None:
    value = record(
        event_type=sample.name, schema_version=sample.version, payload=sample.payload.decode()
    ).value
    [recorded] = await wire.decode_records(NO_SOURCE, [wire.read_record(value, LOG)])
    assert recorded.event == read_event(sample.name, sample.version, sample.payload)
    assert not isinstance(recorded.event, UnreadableEvent)


async def test_an_event_of_a_newer_build_is_unreadable_and_keeps_its_payload() -> None:
    later = record(event_type="lead.cloned", payload='{"n": 1}')
    [recorded] = await wire.decode_records(NO_SOURCE, [wire.read_record(later.value, LOG)])
    assert isinstance(recorded.event, UnreadableEvent)
    assert (recorded.event.name, recorded.event.payload) == ("lead.cloned", {"n": 1})


@pytest.mark.parametrize("position", [2**53 + 1, 2**63 - 1])
def test_positions_above_2_to_the_53_are_exact(position: int) -> None:
    value = record(position=position, previous=position - 2).value
    document = orjson.loads(value)
    assert (document["position"], document["previous"]) == (str(position), str(position - 2))
    received = wire.read_record(value, LOG)
    assert (received.position, received.previous) == (position, position - 2)


def test_unknown_attributes_of_a_newer_build_are_ignored() -> None:
    newer = wire.read_record(edited(traceparent="00-1-2-3"), LOG)
    assert newer == wire.read_record(record().value, LOG)


def test_the_cloudevents_library_reads_a_record() -> None:
    key, value, headers = record()
    event = kafka.from_structured_event(kafka.KafkaMessage(dict(headers), key, value))
    assert (event.get_type(), event.get_source()) == ("lead.noted", f"/crm/{LOG}")
    assert event.get_time() == row()["occurred_at"]
    assert event.get_extension("position") == "9"
    assert event.get_data() == {"lead_id": str(UUID(int=3)), "note": "hello"}


FOREIGN_VALUES: dict[str, bytes | None] = {
    "null": None,
    "nothing": b"",
    "garbage": b"\xff\x00\xfe",
    "text": b"hello",
    "cut": record().value[:-1],
    "two in one": record().value * 2,
    "a list": b"[%s]" % record().value,
    "a number": b"7",
    "null in json": b"null",
    "no attributes": b"{}",
    "the payload alone": row()["payload"].encode(),
    "deep": b"[" * DEEP,
    "deep data": b'{"data":' * DEEP,
    "deep elsewhere": record().value[:-1] + b',"x":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "an invalid position": edited(position="ninth"),
    "an invalid shard": edited(shard=None),
    "an invalid time": edited(time="yesterday"),
    "another log": wire.record_of(row(), UUID(int=7), 1).value,
    "another source": edited(source="/mailer"),
    **{
        f"no {name}": without(name)
        for name in ("id", "type", "source", "generation", "shard", "position", "previous", "data")
    },
}


@pytest.mark.parametrize("value", FOREIGN_VALUES.values(), ids=FOREIGN_VALUES)
def test_a_value_that_the_relay_of_this_log_did_not_write_is_foreign(value: bytes | None) -> None:
    with pytest.raises(ForeignRecord):
        wire.read_record(value, LOG)


async def test_a_row_that_is_too_large_for_a_broker_is_named_and_not_sent() -> None:
    """An empty batch accepts a record of any size, but the broker would always refuse it."""
    publisher = Publisher("127.0.0.1:9", "events")
    publisher.partitions = 8
    giant = row(payload=orjson.dumps({"note": "x" * MAX_RECORD_BYTES}).decode())
    with pytest.raises(ValueError, match=f"event {giant['id']} is a record of 1,0.* bytes"):
        await publisher.publish([giant], DIGEST, 1)
    await publisher.stop()
