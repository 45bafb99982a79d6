"""A small world for tests: an organisation with properties, and facts to append in it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from events.chat import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
    SessionStarted,
)
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType
from events.event import Event
from events.leads import LeadCaptured
from events.log import sequencer
from events.log.append import Appended, append
from events.record import Cause, NewEvent, Stream
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.apply import Life
from projections.engine.live import Engine

CAUSE = Cause(actor="test")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class World:
    """One organisation and its properties, as the host wrote them."""

    pool: asyncpg.Pool
    org_id: UUID
    properties: list[UUID]
    now: datetime = field(default=START)

    def tick(self, seconds: float = 1) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def new(
        self, event: Event, *, at: datetime | None = None, property_id: UUID | None = None,
        event_id: UUID | None = None,
    ) -> NewEvent:  # fmt: skip
        return NewEvent(
            id=event_id or uuid4(),
            event=event,
            org_id=self.org_id,
            property_id=property_id or self.properties[0],
            occurred_at=at or self.tick(),
            cause=CAUSE,
        )

    async def append(
        self, *events: NewEvent, expected: dict[Stream, int] | None = None
    ) -> Appended:
        """Append in one transaction, as observed unless `expected` says otherwise."""
        async with self.pool.acquire() as conn, conn.transaction():
            return await append(conn, events, expected=expected or {})

    async def number(self) -> int:
        """Number everything that waits; how many there were."""
        async with self.pool.acquire() as conn:
            lease = await sequencer.acquire(conn, "test", 0)
            assert lease is not None
            count = 0
            while rows := await sequencer.number(conn, lease, 1000):
                count += len(rows)
            return count

    def captured(self, lead_id: UUID | None = None, **details: object) -> LeadCaptured:
        said = {"source": "Google", "first_name": "Ada", "email": "ada@example.com", **details}
        return LeadCaptured.model_validate({"lead_id": lead_id or uuid4(), **said})

    def chat(self, lead_id: UUID | None, messages: int = 1) -> list[Event]:
        session, conversation = uuid4(), uuid4()
        return [
            SessionStarted(session_id=session, visitor_id="v_1", lead_id=lead_id),
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
        known = EngagementType(kind)
        return EngagementRecorded(
            engagement_id=uuid4(), lead_id=lead_id, event_type=known,
            score_weight=ENGAGEMENT_WEIGHTS[known],
        )  # fmt: skip

    async def engine(self, owner: str = "test") -> Engine:
        """A live engine that owns nothing yet."""
        async with self.pool.acquire() as conn:
            state = await sequencer.state(conn)
            await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
        return Engine(self.pool, Life(LIVE, state.generation), owner)

    async def project(self) -> Engine:
        """Number everything and bring the live tables level with the log, from the log."""
        await self.number()
        engine = await self.engine()
        await engine.claim(range(64))
        for shard, head in (await engine.behind()).items():
            await engine.fill_gap(shard, head)
        await engine.settle()
        return engine

    async def count(self, table: str) -> int:
        async with self.pool.acquire() as conn:
            return int(await conn.fetchval(f"SELECT count(*) FROM {table}"))


async def make_world(pool: asyncpg.Pool, properties: int = 1) -> World:
    org, ids = uuid4(), [uuid4() for _ in range(properties)]
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
        await conn.executemany(
            "INSERT INTO properties (id, org_id, name, settings) VALUES ($1, $2, $3, $4)",
            [
                (key, org, f"House {n}", {"timezone": "America/New_York"})
                for n, key in enumerate(ids)
            ],
        )
    return World(pool, org, ids)


async def parked_reasons(pool: asyncpg.Pool) -> list[tuple[str, str]]:
    """What is parked, and why."""
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT reason, detail FROM crm.parked ORDER BY position")
    return [(row["reason"], row["detail"]) for row in rows]
