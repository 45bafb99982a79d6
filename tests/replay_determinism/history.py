"""A random history, told into the log; and what the tables hold of it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from hypothesis import strategies as st

from events.chat import SessionIdentified
from events.engagements import EngagementRecorded
from events.event import Event
from events.log import sequencer
from events.log.append import append
from events.log.connection import Connection
from events.record import Cause, NewEvent
from projections.catalog import LIVE
from tests.replay_determinism.host_writes import write_as_host
from tests.replay_determinism.property import EARLIER, LATER, HostProperty, Step, property_in
from tests.replay_determinism.steps import STEPS

SHARDS = (0, 4, 1, 0, 63)
"""Of a topic of four partitions: two shards share one, two houses share a shard."""
HOST, HOST_ROWS = "host", "host rows"
COMMON = (
    "arrive", "visit", "converse", "talk", "engage", "book", "go_on", "identify", "update",
    "write_workflow", "enrol", "run_on", "merge",
)  # fmt: skip
CAUSE = Cause(actor="law")
Tables = dict[str, list[tuple[Any, ...]]]

steps = st.builds(
    Step,
    what=st.sampled_from(COMMON) | st.sampled_from(sorted([*STEPS, HOST, HOST_ROWS])),
    host_property=st.integers(0, len(SHARDS) - 1),
    whom=st.integers(0, 5),
    how=st.integers(0, 20),
    when=st.integers(0, len(LATER) + len(EARLIER) - 1),
)
histories = st.lists(steps, min_size=25, max_size=120)


@dataclass
class Story:
    """An organisation with its houses, in a log of its own."""

    pool: asyncpg.Pool
    org_id: UUID = field(default_factory=uuid4)
    houses: list[HostProperty] = field(default_factory=list)

    async def begin(self) -> None:
        """The host writes an organisation, its people and its properties."""
        agents = [uuid4(), uuid4(), uuid4()]
        async with self.pool.acquire() as conn, conn.transaction():
            await conn.execute(
                "INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", self.org_id
            )
            for agent in agents:
                await conn.execute(
                    "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, self.org_id
                )
            for shard in SHARDS:
                host_property = HostProperty(self.org_id, property_in(shard), agents)
                self.houses.append(host_property)
                await conn.execute(
                    "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'House')",
                    host_property.id,
                    self.org_id,
                )

    async def tell(self, history: list[Step]) -> None:
        """Append what the steps leave, a transaction each, and number it."""
        async with self.pool.acquire() as conn:
            for said in history:
                if said.what == HOST:
                    await self._change_host(conn, said)
                    continue
                host_property = self.houses[said.host_property]
                if said.what == HOST_ROWS:
                    await write_as_host(conn, host_property, said)
                    continue
                at = host_property.clock(said.when)
                events = [
                    NewEvent(uuid4(), event, self.org_id, host_property.id, at, CAUSE)
                    for event in STEPS[said.what](host_property, said)
                ]
                host_property.engagements += [
                    row
                    for e in events
                    if isinstance(e.event, EngagementRecorded | SessionIdentified)
                    for row in e.event.named_by(e.id)
                ]
                host_property.consents += [e.id for e in events if e.event.stream == "consent"]
                async with conn.transaction():
                    await append(conn, events, expected={})
        await self.number()

    async def say(self, host_property: HostProperty, *events: Event) -> list[UUID]:
        """Append events now, outside any step; their ids."""
        new = [
            NewEvent(uuid4(), e, self.org_id, host_property.id, host_property.now, CAUSE)
            for e in events
        ]
        async with self.pool.acquire() as conn, conn.transaction():
            await append(conn, new, expected={})
        return [event.id for event in new]

    async def number(self) -> None:
        async with self.pool.acquire() as conn:
            lease = await sequencer.acquire(conn, "law", 0)
            assert lease is not None
            while await sequencer.number(conn, lease, 37):
                pass

    async def _change_host(self, conn: Connection, said: Step) -> None:
        """The host changes its rows, whatever the core thinks of it."""
        match said.how % 4:
            case 0:
                zone = (None, "UTC", "America/Chicago")[said.whom % 3]
                statement = "UPDATE properties SET settings = $2 WHERE id = $1"
                await conn.execute(
                    statement, self.houses[said.host_property].id, {"timezone": zone}
                )
            case 1:
                await conn.execute("UPDATE organizations SET name = name || '!'")
            case 2:
                await conn.execute("UPDATE profiles SET role = 'admin'")
            case _:
                gone = uuid4()
                await conn.execute(
                    "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", gone, self.org_id
                )
                await conn.execute("DELETE FROM profiles WHERE id = $1", gone)


async def begin(pool: asyncpg.Pool) -> Story:
    """A new story in an empty log: what an example before it left is gone."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            """
            SET LOCAL crm.engine = 'on';
            ALTER TABLE crm_events DISABLE TRIGGER crm_events_never_deleted;
            TRUNCATE crm_events, crm.claims, crm.checkpoints, crm.parked, organizations CASCADE;
            ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_never_deleted;
            UPDATE crm.shards SET position = 0;
            UPDATE crm.log SET position = 0, published = 0;
            """
        )
        await empty_tables(conn)
        await conn.execute("SELECT crm.open_adoption(); UPDATE crm.adoption SET state = 'complete'")
    story = Story(pool)
    await story.begin()
    return story


async def forget_tables(pool: asyncpg.Pool) -> None:
    """Derived tables, checkpoints and what is parked are empty again; the log stays."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'; TRUNCATE crm.checkpoints, crm.parked")
        await empty_tables(conn)


async def empty_tables(conn: Connection) -> None:
    names = ", ".join(f"{table.schema}.{table.name}" for table in LIVE.tables)
    await conn.execute(f"TRUNCATE {names} CASCADE")


async def tables_of(pool: asyncpg.Pool) -> Tables:
    """Every row of every derived table, in the order of its key."""
    found: Tables = {}
    async with pool.acquire() as conn:
        for table in LIVE.tables:
            columns = ", ".join(f'"{column}"::text' for column in table.columns)
            rows = await conn.fetch(
                f'SELECT {columns} FROM {table.schema}."{table.name}" ORDER BY "{table.key}"'
            )
            found[table.name] = [tuple(row) for row in rows]
    return found


async def parked_of(pool: asyncpg.Pool) -> list[tuple[Any, ...]]:
    """What is parked, in order: position, reason, whether it only waits for another."""
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT position, reason, behind, touches FROM crm.parked ORDER BY position"
        )
    return [tuple(row) for row in rows]
