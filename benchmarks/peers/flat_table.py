"""A flat table for the comparison with others: one row for each event, from this event alone."""

from typing import Any

import asyncpg
from sqlalchemy import Column, DateTime, MetaData, Table, Text, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from events.catalog import EVENTS
from events.event import Event
from events.properties import OrganizationRecorded, ProfileRecorded, PropertyRecorded
from events.record import NewEvent, RecordedEvent
from projections.engine.derived_table import DerivedTable
from projections.engine.projection import Projection, Tables
from projections.engine.projection_group import ProjectionGroup

TABLE = Table(
    "flat_events",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("property_id", Uuid, nullable=False),
    Column("entity_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("content", Text),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
)
projection = Projection("flat_events", version=1, table=DerivedTable(TABLE))
FLAT = ProjectionGroup("flat", (projection,))

_HOST_KINDS = {OrganizationRecorded, ProfileRecorded, PropertyRecorded}
_WITH_CONTENT = {kind for kind in EVENTS if "content" in kind.model_fields}


@projection.on(*(kind for kind in EVENTS if kind not in _HOST_KINDS | _WITH_CONTENT))
def add_event(tables: Tables, recorded: RecordedEvent, event: Event) -> None:
    tables.rows.add(make_row(recorded, recorded.entity_id, event.name, None))


@projection.on(*_WITH_CONTENT)
def add_message(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
    tables.rows.add(make_row(recorded, recorded.entity_id, event.name, event.content))


def make_row(
    recorded: RecordedEvent | NewEvent, entity_id: object, name: str, content: str | None
) -> dict[str, Any]:
    """Return the row of an event."""
    return {
        "id": recorded.id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "entity_id": entity_id,
        "type": name,
        "content": content,
        "occurred_at": recorded.occurred_at,
    }


async def create_table(url: str) -> None:
    """Create the empty table."""
    conn = await asyncpg.connect(url)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    await conn.execute(str(CreateTable(TABLE).compile(dialect=dialect)))
    await conn.execute("GRANT ALL ON flat_events TO PUBLIC")  # the projector has its own role
    await conn.close()


async def digest_table(url: str) -> tuple[int, str]:
    """Return the number of rows, and a digest of all of them."""
    conn = await asyncpg.connect(url)
    row = await conn.fetchrow(
        "SELECT count(*) AS count, md5(string_agg(flat::text, '' ORDER BY id)) AS digest "
        "FROM flat_events AS flat"
    )
    await conn.close()
    assert row is not None
    return row["count"], row["digest"]


class RowComparison:
    """The digests of the rows of all contenders, which must be equal."""

    def __init__(self) -> None:
        self._digests: set[tuple[int, str]] = set()

    async def add(self, name: str, url: str) -> None:
        """Compare the rows in a database with those before. Raise `RuntimeError` if they differ."""
        self._digests.add(await digest_table(url))
        if len(self._digests) > 1:
            raise RuntimeError(f"the rows of {name} differ: {self._digests}")
