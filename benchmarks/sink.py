"""The same work with Quix Streams' PostgreSQL sink, as fast as it can be made to go.

The sink is fed by librdkafka's consumer without a group (groups of it hang on the embedded
broker), without metadata columns and schema checks, in batches as large as the engine's, with
upserts on the primary key. The product's own projectors run with all rows held in memory, so the
sink never reads: this flatters it.
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
from projections.engine.projection import DerivedTable, Stored
from services.runtime.database import connect
from services.runtime.settings import Settings

BATCH_EVENTS = 5_000
POLL_SECONDS = 5.0


class _Null:
    """The sink leaves out columns whose value is None, and then whole columns of a batch."""


async def sink(settings: Settings, events: int) -> dict[str, float]:
    """Seconds from the first record to the last flush."""
    conn = await connect(settings, "bench sink", role=None)
    log_id = (await sequencer.state(conn)).id
    await conn.close()
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
    into = _sinks(settings)
    work = LIVE.work()
    count, began = 0, 0.0
    while count < events:
        records = consumer.consume(BATCH_EVENTS, POLL_SECONDS)
        began = began or time.perf_counter()
        for record in records[: events - count]:
            came = wire.arrival(record.value(), log_id)
            recorded = wire.decode(came)
            for table, keys in work.wanted([recorded]).items():
                work.rows[table].load(keys, {})
            work.fold([recorded])
            for table, written in work.take().items():
                for row in (*written.inserted, *written.updated):
                    _add(into, table, row, record)
        count += len(records[: events - count])
        for one in into.values():
            one.flush()
    seconds = time.perf_counter() - began
    consumer.close()
    return {"events": events, "seconds": seconds}


def _add(into: dict[str, PostgreSQLSink], table: DerivedTable, row: Stored, record: Any) -> None:
    value = {column: _value(found) for column, found in zip(table.columns, row, strict=True)}
    into[table.schema].add(
        value, None, record.timestamp()[1], (table.name, table.key), record.topic(),
        record.partition(), record.offset(),
    )  # fmt: skip


def _value(found: Any) -> Any:
    if found is None:
        return NULL
    return found.decode() if isinstance(found, bytes) else found


NULL = _Null()


def _sinks(settings: Settings) -> dict[str, PostgreSQLSink]:
    """A sink writes to one schema; which table a row is for travels in its headers."""
    register_uuid()
    register_adapter(asyncpg.pgproto.pgproto.UUID, lambda value: AsIs(f"'{value}'::uuid"))
    register_adapter(_Null, lambda _: AsIs("NULL"))
    url = urlsplit(settings.dsn)
    made = {}
    for schema in {table.schema for table in LIVE.tables}:
        made[schema] = PostgreSQLSink(
            host=url.hostname or "", port=url.port or 5432, dbname=url.path.strip("/"),
            user=unquote(url.username or ""), password=unquote(url.password or ""),
            table_name=_table, schema_name=schema, schema_auto_update=False,
            primary_key_columns=_primary_key, upsert_on_primary_key=True, include_metadata=False,
            options="-c crm.engine=on -c synchronous_commit=off",
        )  # fmt: skip
        made[schema].setup()
    return made


def _table(item: SinkItem) -> str:
    return item.headers[0]


def _primary_key(item: SinkItem) -> str:
    return item.headers[1]
