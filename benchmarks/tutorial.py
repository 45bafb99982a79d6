"""The same work as a tutorial shows it: a FastStream handler a message, an ORM session a message.

The projectors are the product's own, so that the rows are the same; what differs is how rows come
and go: each message loads the objects it may change, changes them, and commits.
"""

import asyncio
import copy
import time
from typing import Any
from uuid import UUID, uuid4

from faststream.kafka import KafkaBroker, KafkaMessage
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import registry

from events.bus import wire
from events.bus.topics import Topics
from events.log import sequencer
from events.record import RecordedEvent
from projections.catalog import LIVE
from projections.engine.projection import DerivedTable, Row, Tables
from services.runtime.database import connect, open_engine
from services.runtime.settings import Settings

MAPPED: dict[DerivedTable, type[Any]] = {}


async def tutorial(settings: Settings, events: int) -> dict[str, float]:
    """Seconds from the first message to the commit of the last of so many."""
    _map()
    conn = await connect(settings, "bench tutorial", role=None)
    log_id = (await sequencer.state(conn)).id
    await conn.execute(
        "ALTER DATABASE CURRENT SET crm.engine = 'on'".replace(
            "CURRENT", await conn.fetchval("SELECT quote_ident(current_database())")
        )
    )
    await conn.close()
    engine = open_engine(settings, "bench tutorial", role=None)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    broker = KafkaBroker(settings.kafka_bootstrap_servers, logger=None)
    done = asyncio.Event()
    count, began = 0, 0.0

    @broker.subscriber(
        Topics.of(settings.topic_prefix).events,
        group_id=f"tutorial.{uuid4().hex}",
        auto_offset_reset="earliest",
    )
    async def handle(_body: dict[str, Any], message: KafkaMessage) -> None:
        nonlocal count, began
        if done.is_set():
            return
        began = began or time.perf_counter()
        record = message.raw_message
        async with sessions() as session:
            recorded = wire.decode(wire.arrival(record.value, log_id))
            await project_one(session, recorded)
            await session.commit()
        count += 1
        if count == events:
            done.set()

    async with broker:
        await broker.start()
        await done.wait()
        seconds = time.perf_counter() - began
    await engine.dispose()
    return {"events": events, "seconds": seconds}


async def project_one(session: AsyncSession, recorded: RecordedEvent) -> None:
    """Run every projector of the fact over objects of the session."""
    kind = type(recorded.event)
    for projection in LIVE.projections:
        if handler := projection.handlers.get(kind):
            objects = {table: _Objects(table, session) for table in projection.tables}
            for table, rows in objects.items():
                await rows.load(_keys(table, recorded))
            state = objects[projection.state or projection.table]
            handler(Tables(objects[projection.table], state), recorded, recorded.event)
            for rows in objects.values():
                await rows.save()


class _Objects:
    """The rows of one table as a projector asks for them, which an ORM session keeps."""

    def __init__(self, table: DerivedTable, session: AsyncSession) -> None:
        self.columns, self.kind, self.session = table.columns, MAPPED[table], session
        self.held: dict[UUID, tuple[Any, Row]] = {}

    async def load(self, keys: set[UUID]) -> None:
        for key in keys:
            if found := await self.session.get(self.kind, key):
                row = {column: getattr(found, column) for column in self.columns}
                self.held[key] = (found, copy.deepcopy(row))

    async def save(self) -> None:
        for found, row in self.held.values():
            for column, value in row.items():
                if getattr(found, column) != value:
                    setattr(found, column, value)

    def get(self, key: UUID) -> Row | None:
        return self.held[key][1] if key in self.held else None

    def add(self, row: Row) -> None:
        self.session.add(self.kind(**row))

    def insert(self, key: UUID, row: Row) -> None:
        made = self.kind(**row)
        self.session.add(made)
        self.held[key] = (made, row)

    def update(self, key: UUID, **changes: Any) -> None:
        self.held[key][1].update(changes)

    def delete(self, key: UUID) -> None:
        """A missed tour that was not missed: rare enough to be left where it is."""


def _keys(table: DerivedTable, recorded: RecordedEvent) -> set[UUID]:
    found: set[UUID] = set()
    for name in table.keyed_by:
        value = getattr(recorded.event, name, None)
        if isinstance(value, UUID):
            found.add(value)
        elif value is not None:
            found.update(value)
    return found


def _map() -> None:
    """A class for each table, as `class Lead(Base)` would make it."""
    classes = registry()
    for table in LIVE.tables:
        MAPPED[table] = type(table.name.title(), (), {})
        classes.map_imperatively(MAPPED[table], table.table)
