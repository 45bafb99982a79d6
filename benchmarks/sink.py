"""Measurement of the same work with Quix Streams' PostgreSQL sink, at its highest speed.

The sink is fed by librdkafka's consumer without a group (groups of it hang on the embedded
broker), without metadata columns and schema checks, in batches as large as the engine's, with
upserts on the primary key. The core's own projectors run with all rows in memory, so that the sink
never reads: this is to its advantage.
"""

import time
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import asyncpg
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from psycopg2.extensions import AsIs, register_adapter
from psycopg2.extras import register_uuid
from quixstreams.sinks.base.item import SinkItem
from quixstreams.sinks.community.postgresql import PostgreSQLSink

from events.bus import wire
from events.bus.topics import Topics
from events.log import sequencer
from projections.catalog import LIVE
from projections.engine.derived_table import DerivedTable, StoredRow
from services.runtime.database import connect
from services.runtime.settings import Settings

BATCH_EVENTS = 5_000
POLL_SECONDS = 5.0


class _Null:
    """A substitute for None: the sink omits None, and then whole columns of a batch."""


async def sink(settings: Settings, events: int) -> dict[str, float]:
    """Measure the seconds from the first record to the last flush."""
    conn = await connect(settings, "bench sink", role=None)
    log_id = (await sequencer.read_log_state(conn)).id
    topic = Topics.of(settings.topic_prefix).events
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"sink.{uuid4().hex}",
            "enable.auto.commit": False,
        }
    )
    partitions = consumer.list_topics(topic, timeout=POLL_SECONDS).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    sinks = _make_sinks(settings)
    work = LIVE.working_set()
    count, started = 0, 0.0
    while count < events:
        records = consumer.consume(BATCH_EVENTS, POLL_SECONDS)
        started = started or time.perf_counter()
        received = [wire.read_record(record.value(), log_id) for record in records]
        decoded = await wire.decode_records(conn, received[: events - count])
        for record, recorded in zip(records, decoded, strict=False):
            for table, keys in work.missing_keys([recorded]).items():
                work.rows[table].load(keys, {})
            work.fold([recorded])
            for table, changes in work.take_changes().items():
                for row in (*changes.inserted, *changes.updated):
                    _add(sinks, table, row, record)
        count += len(records[: events - count])
        for schema_sink in sinks.values():
            schema_sink.flush()
    seconds = time.perf_counter() - started
    consumer.close()
    await conn.close()
    return {"events": events, "seconds": seconds}


def _add(
    sinks: dict[str, PostgreSQLSink], table: DerivedTable, row: StoredRow, record: Any
) -> None:
    value = {column: _value(stored) for column, stored in zip(table.columns, row, strict=True)}
    sinks[table.schema].add(
        value, None, record.timestamp()[1], (table.name, table.key), record.topic(),
        record.partition(), record.offset(),
    )  # fmt: skip


def _value(stored: Any) -> Any:
    if stored is None:
        return NULL
    return stored.decode() if isinstance(stored, bytes) else stored


NULL = _Null()


def _make_sinks(settings: Settings) -> dict[str, PostgreSQLSink]:
    """Return a sink for each schema; the headers of an item name its table."""
    register_uuid()
    register_adapter(asyncpg.pgproto.pgproto.UUID, lambda value: AsIs(f"'{value}'::uuid"))
    register_adapter(_Null, lambda _: AsIs("NULL"))
    url = urlsplit(settings.dsn)
    sinks = {}
    for schema in {table.schema for table in LIVE.tables}:
        sinks[schema] = PostgreSQLSink(
            host=url.hostname or "", port=url.port or 5432, dbname=url.path.strip("/"),
            user=unquote(url.username or ""), password=unquote(url.password or ""),
            table_name=_table, schema_name=schema, schema_auto_update=False,
            primary_key_columns=_primary_key, upsert_on_primary_key=True, include_metadata=False,
            options="-c crm.engine=on -c synchronous_commit=off",
        )  # fmt: skip
        sinks[schema].setup()
    return sinks


def _table(item: SinkItem) -> str:
    return str(item.headers[0])


def _primary_key(item: SinkItem) -> str:
    return str(item.headers[1])
