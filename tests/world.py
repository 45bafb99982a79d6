"""An organisation with properties for tests, and events to append for it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from events.conversations import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
)
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType
from events.event import Event
from events.leads import LeadCaptured
from events.log import sequencer, staged_changes
from events.log.append import AppendResult, append, append_staged
from events.record import Cause, NewEvent, Stream
from events.sessions import SessionStarted
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.batch import WriterIdentity
from projections.engine.live import Engine
from projections.engine.projection_pipeline import ProjectionPipeline
from services.deciders.contacts import contact_keys

CAUSE = Cause(actor="test")
VISITOR, OTHER_VISITOR = "0a" * 16, "0b" * 16
"""Keyed hashes of the ids of two visitors."""
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class World:
    """One organisation with its properties, and a clock that only the test moves."""

    pool: asyncpg.Pool
    org_id: UUID
    properties: list[UUID]
    now: datetime = field(default=START)

    def tick(self, seconds: float = 1) -> datetime:
        """Advance the clock and return its new time."""
        self.now += timedelta(seconds=seconds)
        return self.now

    def new(
        self, event: Event, *, at: datetime | None = None, property_id: UUID | None = None,
        event_id: UUID | None = None,
    ) -> NewEvent:  # fmt: skip
        """Return the event ready to append: at the next second, for the first property."""
        return NewEvent(
            id=event_id or uuid4(),
            event=with_contact_keys(event),
            org_id=self.org_id,
            property_id=property_id or self.properties[0],
            occurred_at=at or self.tick(),
            cause=CAUSE,
        )

    async def append(
        self, *events: NewEvent, expected: dict[Stream, int] | None = None
    ) -> AppendResult:
        """Append in one transaction; a stream without an expected version gets the next one."""
        async with self.pool.acquire() as conn, conn.transaction():
            return await append(conn, events, expected=expected or {})

    async def append_staged(self) -> None:
        """Append what the host has written, as the relay process does."""
        async with self.pool.acquire() as conn:
            if not await conn.fetchval("SELECT to_regclass('crm.staged_changes') IS NOT NULL"):
                return  # a schema of an older build, whose triggers append
            while await staged_changes.has_ready_changes(conn):
                async with conn.transaction():
                    await append_staged(conn)

    async def number(self) -> int:
        """Assign positions to all committed rows; return the number of rows."""
        await self.append_staged()
        async with self.pool.acquire() as conn:
            lease = await sequencer.acquire(conn, "test", 0)
            assert lease is not None
            count = 0
            while rows := await sequencer.assign_positions(conn, lease, 1000):
                count += len(rows)
            return count

    def captured(self, lead_id: UUID | None = None, **details: object) -> LeadCaptured:
        """Return the event of a new lead; `details` replace the default fields."""
        details = {"source": "Google", "first_name": "Ada", "email": "ada@example.com", **details}
        return LeadCaptured.model_validate({"lead_id": lead_id or uuid4(), **details})

    def chat(self, lead_id: UUID | None, messages: int = 1, visitor: str = VISITOR) -> list[Event]:
        """Return the events of a new session with one conversation and its messages."""
        session, conversation = uuid4(), uuid4()
        return [
            SessionStarted(session_id=session, visitor_hash=visitor, lead_id=lead_id),
            ConversationStarted(
                conversation_id=conversation, session_id=session, lead_id=lead_id,
                channel=ConversationChannel.WIDGET,
            ),
            *(
                ConversationMessageReceived(
                    conversation_id=conversation, session_id=session, lead_id=lead_id,
                    message_id=uuid4(), content=f"hello {n}",
                )
                for n in range(messages)
            ),
        ]  # fmt: skip

    def engagement(self, lead_id: UUID, kind: str = "email_opened") -> EngagementRecorded:
        """Return an engagement with the default weight of its type."""
        engagement_type = EngagementType(kind)
        return EngagementRecorded(
            engagement_id=uuid4(), lead_id=lead_id, event_type=engagement_type,
            score_weight=ENGAGEMENT_WEIGHTS[engagement_type],
        )  # fmt: skip

    async def engine(self, owner: str = "test") -> Engine:
        """Return a live engine that owns no shard yet."""
        async with self.pool.acquire() as conn:
            state = await sequencer.read_log_state(conn)
            await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
        return Engine(ProjectionPipeline(self.pool, WriterIdentity(LIVE, state.generation)), owner)

    async def project(self) -> Engine:
        """Assign positions and apply all events of the log to the live tables."""
        await self.number()
        engine = await self.engine()
        await engine.own(range(64))
        for shard, head in (await engine.find_gaps()).items():
            await engine.fill_gap(shard, head)
        await engine.flush()
        return engine

    async def add_property(self) -> UUID:
        """Insert another property of the organisation, as the host does; return its id."""
        property_id = uuid4()
        async with self.pool.acquire() as conn:
            await conn.execute(
                "INSERT INTO properties (id, org_id, name, settings) VALUES ($1, $2, 'Birch', $3)",
                property_id,
                self.org_id,
                {"timezone": "America/New_York"},
            )
        self.properties.append(property_id)
        await self.append_staged()
        return property_id

    async def count(self, table: str) -> int:
        async with self.pool.acquire() as conn:
            return int(await conn.fetchval(f"SELECT count(*) FROM {table}"))


def with_contact_keys(event: Event) -> Event:
    """Return the event with the keys that the core decides for its e-mail and phone."""
    details = {name: getattr(event, name, None) for name in ("email", "phone")}
    given = {name: value for name, value in details.items() if value}
    keys = {name: key for name, key in contact_keys(given).items() if key}
    return event.model_copy(update=keys) if keys else event


async def make_world(pool: asyncpg.Pool, properties: int = 1) -> World:
    """Insert an organisation with properties, as the host does."""
    org, ids = uuid4(), [uuid4() for _ in range(properties)]
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
        await conn.executemany(
            "INSERT INTO properties (id, org_id, name, settings) VALUES ($1, $2, $3, $4)",
            [
                (property_id, org, f"Alder {n}", {"timezone": "America/New_York"})
                for n, property_id in enumerate(ids)
            ],
        )
    world = World(pool, org, ids)
    await world.append_staged()
    return world


async def read_parked_reasons(pool: asyncpg.Pool) -> list[tuple[str, str]]:
    """Return reason and detail of all parked events, by position."""
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT reason, detail FROM crm.parked ORDER BY position")
    return [(row["reason"], row["detail"]) for row in rows]
