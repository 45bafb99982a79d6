"""Commands right after a commit of the host, before any relay has appended its change."""

from uuid import uuid4

from events.leads import LeadStatus
from events.log import read
from events.record import RecordedEvent, Stream
from services.application.command_handler import transact
from services.application.leads import find_lead
from services.application.scope import Scope
from services.deciders.leads import ChangeStatus, Details, NoteLead
from services.host import find_stream_owner
from tests.commands import handle_command
from tests.services.adoption.conftest import HostDatabase
from tests.world import CAUSE

INSERT = "INSERT INTO leads (id, property_id, email) VALUES ($1, $2, $3)"


def scope_of(database: HostDatabase) -> Scope:
    world = database.world
    return Scope(world.org_id, world.properties[0], world.tick(), CAUSE)


async def read_lead(database: HostDatabase, stream: Stream) -> list[RecordedEvent]:
    async with database.pool.acquire() as conn:
        return await read.streams(conn, [stream])


async def test_a_command_finds_a_lead_that_the_host_has_just_inserted(
    adopted: HostDatabase,
) -> None:
    stream = Stream("lead", uuid4())
    property_id = adopted.host.properties[0]
    await adopted.conn.execute(INSERT, stream.entity_id, property_id, "new@example.com")
    async with adopted.pool.acquire() as conn:
        owner = await find_stream_owner(conn, stream)
    assert owner == (adopted.host.org_id, property_id)
    await handle_command(adopted.pool, scope_of(adopted), NoteLead(stream.entity_id, "called"))
    recorded_events = await read_lead(adopted, stream)
    assert [recorded.event.name for recorded in recorded_events] == ["lead.adopted", "lead.noted"]


async def test_a_command_sees_the_status_that_the_host_has_just_set(adopted: HostDatabase) -> None:
    """The log still has the status that the command wants, so it would do nothing."""
    lead = adopted.host.leads[0]
    await adopted.conn.execute("UPDATE leads SET status = 'contacted' WHERE id = $1", lead)
    await handle_command(adopted.pool, scope_of(adopted), ChangeStatus(lead, LeadStatus.NEW))
    recorded_events = await read_lead(adopted, Stream("lead", lead))
    statuses = [
        recorded.event.status  # type: ignore[union-attr]
        for recorded in recorded_events
        if recorded.event.name == "lead.status_changed"
    ]
    assert statuses == ["contacted", "new"]


async def test_a_visitor_is_matched_to_a_lead_that_the_host_has_just_inserted(
    adopted: HostDatabase,
) -> None:
    lead = uuid4()
    await adopted.conn.execute(INSERT, lead, adopted.host.properties[0], "new@example.com")
    found = await transact(
        adopted.pool,
        scope_of(adopted),
        lambda uow: find_lead(uow, Details(email="new@example.com"), None),
    )
    assert found.result == lead
