"""Texts of the files that `crm projection` writes.

In Python files NAME stands for the projection's name; the SQL texts are format strings.
"""

PROJECTION = '''\
"""`NAME`: one row for each lead with the number of its tours.

An example. Change the table and the projector, then run
`crm projection migration NAME`.
"""

from sqlalchemy import Column, Index, Integer, Table

from events.record import RecordedEvent
from events.tours import TourCancelled, TourScheduled
from projections.columns import INSTANT, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "NAME",
    METADATA,
    key(),  # in this example: the lead's id
    org(),
    refers("property_id", "properties.id", "CASCADE"),  # row level security reads it
    Column("booked", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("updated_at", INSTANT),
    Index("idx_NAME_property", "property_id"),
)
projection = Projection(
    "NAME",
    version=1,
    table=DerivedTable(TABLE, keyed_by=("lead_id",)),
)


@projection.on(TourScheduled, TourCancelled)
def count_tour(
    tables: Tables, recorded: RecordedEvent, event: TourScheduled | TourCancelled
) -> None:
    row = tables.rows.get(event.lead_id)
    if row is None:
        row = {
            "id": event.lead_id,
            "org_id": recorded.org_id,
            "property_id": recorded.property_id,
            "booked": 0,
            "cancelled": 0,
        }
        tables.rows.insert(event.lead_id, row)
    column = "booked" if isinstance(event, TourScheduled) else "cancelled"
    counts = {column: row[column] + 1}
    tables.rows.update(event.lead_id, **counts, updated_at=recorded.occurred_at)
'''

TEST = '''\
"""Examples of events and the rows of `NAME`."""

from uuid import UUID

from projections.NAME import projection
from tests.projections.given import LEAD, at, only, rows_of
from tests.tours import tour_cancelled, tour_scheduled

FIRST, SECOND = UUID(int=101), UUID(int=102)


def test_the_tours_of_a_lead_are_counted() -> None:
    events = (
        tour_scheduled(FIRST, LEAD),
        tour_scheduled(SECOND, LEAD),
        tour_cancelled(FIRST, LEAD),
    )
    rows = rows_of(projection, *events)
    assert only(rows, "id", "booked", "cancelled", "updated_at") == [(LEAD, 2, 1, at(3))]
'''

TEST_OF_EXISTING_FILE = '''\
"""Examples of events and the rows of `NAME`."""

from projections.NAME import projection
from tests.projections.given import rows_of


def test_events_leave_these_rows() -> None:
    """Replace this example: give events to `rows_of` and state the rows that you expect."""
    assert rows_of(projection) == ["the expected rows"]
'''

REVISION = '''\
"""Add the table of the projection NAME."""

from migrations.scripts import run

revision = "REVISION"
down_revision = "PREVIOUS"


def upgrade() -> None:
    run("REVISION_NAME.sql")


def downgrade() -> None:
    run("REVISION_NAME.down.sql")
'''

CLIENT_TABLE_ACCESS = """\
CREATE POLICY "Members read their org {words}" ON {table} FOR SELECT TO authenticated
  USING ({condition});
CALL crm.guard_table('{table}', 'the CloudEvents {events}');
"""
"""Policy, write guard and grants of a table that clients read."""

PRIVATE_TABLE_ACCESS = """\
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO service_role;
CREATE TRIGGER crm_only_engine BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
  FOR EACH STATEMENT WHEN (current_setting('crm.engine', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION crm.refuse_direct_write();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER crm_only_engine;
"""
"""Write guard and grants of a table that is private to the core."""
