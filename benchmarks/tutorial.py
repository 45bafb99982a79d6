"""Measurement of the same work as in a tutorial: one ORM session for each message.

The projectors are those of the core, so that the rows are the same. The difference is in reading
and writing: each message loads the objects that it may change, changes them, and commits.
"""

import asyncio
import copy
import time
from typing import Any
from uuid import UUID, uuid4

from aiokafka import ConsumerRecord
from faststream.kafka import KafkaBroker, KafkaMessage
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import registry

from events.bus import wire
from events.bus.topics import Topics
from events.event import Event
from events.log import sequencer
from events.record import RecordedEvent
from projections.catalog import LIVE
from projections.engine.derived_table import DerivedTable, Row
from projections.engine.projection import Tables
from services.runtime.database import connect, open_engine
from services.runtime.settings import Settings

MAPPED: dict[DerivedTable, type[Any]] = {}


async def tutorial(settings: Settings, events: int) -> dict[str, float]:
    """Measure the seconds from the first message to the commit of the last one."""
    _map()
    conn = await connect(settings, "bench tutorial", role=None)
    log_id = (await sequencer.read_log_state(conn)).id
    await conn.execute(
        "ALTER DATABASE CURRENT SET crm.engine = 'on'".replace(
            "CURRENT", await conn.fetchval("SELECT quote_ident(current_database())")
        )
    )
    engine = open_engine(settings, "bench tutorial", role=None)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    broker = KafkaBroker(settings.kafka_bootstrap_servers, logger=None)
    done = asyncio.Event()
    count, started = 0, 0.0

    @broker.subscriber(
        Topics.of(settings.topic_prefix).events,
        group_id=f"tutorial.{uuid4().hex}",
        auto_offset_reset="earliest",
    )
    async def handle(_body: dict[str, Any], message: KafkaMessage) -> None:
        nonlocal count, started
        if done.is_set():
            return
        started = started or time.perf_counter()
        record = message.raw_message
        assert isinstance(record, ConsumerRecord)  # a subscriber without batches
        async with sessions() as session:
            [recorded] = await wire.decode_records(conn, [wire.read_record(record.value, log_id)])
            await project_event(session, recorded)
            await session.commit()
        count += 1
        if count == events:
            done.set()

    async with broker:
        await broker.start()
        await done.wait()
        seconds = time.perf_counter() - started
    await engine.dispose()
    await conn.close()
    return {"events": events, "seconds": seconds}


async def project_event(session: AsyncSession, recorded: RecordedEvent) -> None:
    """Run every projector of an event with objects of the session."""
    assert isinstance(recorded.event, Event)
    kind = type(recorded.event)
    for projection in LIVE.projections:
        if projector := projection.projectors.get(kind):
            objects = {table: _Objects(table, session) for table in projection.tables}
            for table, rows in objects.items():
                await rows.load(_keys(table, recorded))
            state = objects[projection.state or projection.table]
            tables = Tables(objects[projection.table], state)  # type: ignore[arg-type]
            projector(tables, recorded, recorded.event)
            for rows in objects.values():
                await rows.save()


class _Objects:
    """The rows of one table with the interface that projectors use, kept in an ORM session."""

    def __init__(self, table: DerivedTable, session: AsyncSession) -> None:
        self.columns, self.kind, self.session = table.columns, MAPPED[table], session
        self.loaded: dict[UUID, tuple[Any, Row]] = {}

    async def load(self, keys: set[UUID]) -> None:
        for key in keys:
            if stored := await self.session.get(self.kind, key):
                row = {column: getattr(stored, column) for column in self.columns}
                self.loaded[key] = (stored, copy.deepcopy(row))

    async def save(self) -> None:
        for stored, row in self.loaded.values():
            for column, value in row.items():
                if getattr(stored, column) != value:
                    setattr(stored, column, value)

    def get(self, key: UUID) -> Row | None:
        return self.loaded[key][1] if key in self.loaded else None

    def add(self, row: Row) -> None:
        self.session.add(self.kind(**row))

    def insert(self, key: UUID, row: Row) -> None:
        new = self.kind(**row)
        self.session.add(new)
        self.loaded[key] = (new, row)

    def update(self, key: UUID, **changes: Any) -> None:
        self.loaded[key][1].update(changes)

    def delete(self, key: UUID) -> None:
        """Ignore the deletion: only corrected no-shows delete rows, and they are rare."""


def _keys(table: DerivedTable, recorded: RecordedEvent) -> set[UUID]:
    keys: set[UUID] = set()
    for name in table.keyed_by:
        value = getattr(recorded.event, name, None)
        if isinstance(value, UUID):
            keys.add(value)
        elif value is not None:
            keys.update(value)
    return keys


def _map() -> None:
    """Map a class for each table, as `class Lead(Base)` does."""
    classes = registry()
    for table in LIVE.tables:
        MAPPED[table] = type(table.name.title(), (), {})
        classes.map_imperatively(MAPPED[table], table.table)
