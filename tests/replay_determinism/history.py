"""Random histories: appends them to a log, and reads the tables that the engine builds."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from hypothesis import strategies as st

from events.engagements import EngagementRecorded
from events.event import Event
from events.log import sequencer
from events.log.append import append, append_staged
from events.log.connection import Connection
from events.log.staged_changes import has_ready_changes
from events.record import Cause, NewEvent
from events.sessions import SessionIdentified
from projections.catalog import LIVE
from tests.replay_determinism.host_writes import write_as_host
from tests.replay_determinism.property import (
    BACKWARD,
    FORWARD,
    HistoryStep,
    PropertyModel,
    property_in,
)
from tests.replay_determinism.steps import STEPS

SHARDS = (0, 4, 1, 0, 63)
"""The shards of the properties: two shards share a partition, two properties share a shard."""
HOST, HOST_ROWS = "host", "host rows"
COMMON = (
    "add_lead", "start_session", "start_conversation", "add_message", "add_engagement",
    "book_tour", "continue_tour", "identify_session", "update_lead",
    "write_workflow", "enrol_lead", "continue_run", "merge_leads",
)  # fmt: skip
CAUSE = Cause(actor="replay")
Tables = dict[str, list[tuple[Any, ...]]]

steps = st.builds(
    HistoryStep,
    action=st.sampled_from(COMMON) | st.sampled_from(sorted([*STEPS, HOST, HOST_ROWS])),
    property_index=st.integers(0, len(SHARDS) - 1),
    target=st.integers(0, 5),
    variant=st.integers(0, 20),
    timing=st.integers(0, len(FORWARD) + len(BACKWARD) - 1),
)
histories = st.lists(steps, min_size=25, max_size=120)


@dataclass
class HistoryWriter:
    """A writer of the history of one organisation with several properties."""

    pool: asyncpg.Pool
    org_id: UUID = field(default_factory=uuid4)
    models: list[PropertyModel] = field(default_factory=list)

    async def insert_host_rows(self) -> None:
        """Insert an organisation, its profiles and its properties, as the host does."""
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
                model = PropertyModel(self.org_id, property_in(shard), agents)
                self.models.append(model)
                await conn.execute(
                    "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'The Alder')",
                    model.id,
                    self.org_id,
                )

    async def append_steps(self, history: list[HistoryStep]) -> None:
        """Append the events of each step in a transaction, and assign positions."""
        async with self.pool.acquire() as conn:
            for step in history:
                if step.action == HOST:
                    await self._change_host(conn, step)
                    continue
                model = self.models[step.property_index]
                if step.action == HOST_ROWS:
                    await write_as_host(conn, model, step)
                    continue
                at = model.clock(step.timing)
                events = [
                    NewEvent(uuid4(), event, self.org_id, model.id, at, CAUSE)
                    for event in STEPS[step.action](model, step)
                ]
                model.engagements += [
                    row
                    for e in events
                    if isinstance(e.event, EngagementRecorded | SessionIdentified)
                    for row in e.event.row_ids(e.id)
                ]
                model.consents += [e.id for e in events if e.event.stream == "consent"]
                async with conn.transaction():
                    await append(conn, events, expected={})
        await self.assign_positions()

    async def append_events(self, model: PropertyModel, *events: Event) -> list[UUID]:
        """Append events outside of a step, and return their ids."""
        new = [NewEvent(uuid4(), e, self.org_id, model.id, model.now, CAUSE) for e in events]
        async with self.pool.acquire() as conn, conn.transaction():
            await append(conn, new, expected={})
        return [event.id for event in new]

    async def assign_positions(self) -> None:
        """Append what the host wrote and assign positions to all events, a few at a time."""
        async with self.pool.acquire() as conn:
            while await has_ready_changes(conn):
                async with conn.transaction():
                    await append_staged(conn, limit=3)
            lease = await sequencer.acquire(conn, "replay", 0)
            assert lease is not None
            while await sequencer.assign_positions(conn, lease, 37):
                pass

    async def _change_host(self, conn: Connection, step: HistoryStep) -> None:
        """Change rows of the host tables."""
        match step.variant % 4:
            case 0:
                zone = (None, "UTC", "America/Chicago")[step.target % 3]
                statement = "UPDATE properties SET settings = $2 WHERE id = $1"
                await conn.execute(
                    statement, self.models[step.property_index].id, {"timezone": zone}
                )
            case 1:
                await conn.execute("UPDATE organizations SET name = name || '!'")
            case 2:
                await conn.execute("UPDATE profiles SET role = 'admin'")
            case _:
                profile_id = uuid4()
                await conn.execute(
                    "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", profile_id, self.org_id
                )
                await conn.execute("DELETE FROM profiles WHERE id = $1", profile_id)


async def start_history(pool: asyncpg.Pool, owner_pool: asyncpg.Pool) -> HistoryWriter:
    """Empty the log and all tables, and return a writer for a new history."""
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute(
            """
            SET LOCAL crm.engine = 'on';
            ALTER TABLE crm_events DISABLE TRIGGER crm_events_never_deleted;
            TRUNCATE crm_events, crm.staged_changes, crm.claims, crm.checkpoints, crm.parked,
              organizations CASCADE;
            ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_never_deleted;
            UPDATE crm.shards SET position = 0;
            UPDATE crm.log SET position = 0, published = 0;
            """
        )
        await empty_tables(conn)
        await conn.execute("SELECT crm.open_adoption(); UPDATE crm.adoption SET state = 'complete'")
    writer = HistoryWriter(pool)
    await writer.insert_host_rows()
    return writer


async def clear_tables(pool: asyncpg.Pool) -> None:
    """Empty derived tables, checkpoints and parked events; keep the log."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'; TRUNCATE crm.checkpoints, crm.parked")
        await empty_tables(conn)


async def empty_tables(conn: Connection) -> None:
    """Truncate all derived tables."""
    names = ", ".join(f"{table.schema}.{table.name}" for table in LIVE.tables)
    await conn.execute(f"TRUNCATE {names} CASCADE")


async def read_tables(pool: asyncpg.Pool) -> Tables:
    """Return every row of every derived table, by key."""
    rows_by_table: Tables = {}
    async with pool.acquire() as conn:
        for table in LIVE.tables:
            columns = ", ".join(f'"{column}"::text' for column in table.columns)
            rows = await conn.fetch(
                f'SELECT {columns} FROM {table.schema}."{table.name}" ORDER BY "{table.key}"'
            )
            rows_by_table[table.name] = [tuple(row) for row in rows]
    return rows_by_table


async def read_parked(pool: asyncpg.Pool) -> list[tuple[Any, ...]]:
    """Return the parked events by position: position, reason, is behind, touched ids."""
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT position, reason, behind, touches FROM crm.parked ORDER BY position"
        )
    return [tuple(row) for row in rows]
