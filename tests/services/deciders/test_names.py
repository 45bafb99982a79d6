"""Names of leads on the paths of producers and imports; of the routes in tests/security."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from events.leads import LeadCaptured, LeadUpdated
from events.record import Cause
from services.application.decided_events import handle_decided_event
from services.deciders.decider import Refused
from services.deciders.names import normalize_name
from services.lead_import.csv_records import CsvRecord
from services.lead_import.line_values import ImportTarget, InvalidLine
from services.lead_import.lines import read_line
from services.lead_import.mapping import ColumnMapping
from tests.stored_events import read_stored_events
from tests.world import World, make_world

LINK = "Win at http://evil.example"
MAPPING = ColumnMapping.model_validate(
    {"name": "old", "lead": {"external_id": "Id", "first_name": {"column": "First"},
                             "last_name": {"column": "Last"}}}
)  # fmt: skip


async def send(world: World, event: LeadCaptured | LeadUpdated) -> int:
    """Send a producer's event twice; return how many events were appended."""
    before = await world.count("crm_events")
    event_id = uuid4()
    for _ in range(2):
        await handle_decided_event(
            world.pool, event, event_id=event_id, org_id=world.org_id,
            property_id=world.properties[0], occurred_at=world.now, cause=Cause("producer:/x"),
        )  # fmt: skip
    return await world.count("crm_events") - before


async def test_a_producer_s_name_is_stored_in_its_normal_form(pool: asyncpg.Pool) -> None:
    world, lead = await make_world(pool), uuid4()
    assert await send(world, LeadCaptured(lead_id=lead, first_name=" Ada\u202e ")) == 1
    assert await send(world, LeadUpdated(lead_id=lead, last_name="Love\nlace")) == 1
    payloads = [row["payload"] for row in await read_stored_events(pool, "entity_type = 'lead'")]
    assert [payloads[0]["first_name"], payloads[1]["last_name"]] == ["Ada", "Love lace"]


def test_a_name_has_at_most_100_characters() -> None:
    assert normalize_name("x" * 100) == "x" * 100
    with pytest.raises(Refused):
        normalize_name("x" * 101)


@pytest.mark.parametrize("name", [LINK, "x" * 101])
async def test_a_producer_s_name_with_a_link_or_too_long_is_refused(
    pool: asyncpg.Pool, name: str
) -> None:
    world, lead = await make_world(pool), uuid4()
    await send(world, LeadCaptured(lead_id=lead))
    for event in (
        LeadCaptured(lead_id=uuid4(), last_name=name),
        LeadUpdated(lead_id=lead, first_name=name),
    ):
        with pytest.raises(Refused) as caught:
            await send(world, event)
        assert caught.value.code == "invalid_name"


def test_an_imported_name_is_normalized_or_the_line_is_refused() -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    target = ImportTarget(
        uuid4(), uuid4(), ZoneInfo("UTC"), start + timedelta(1), "US", b"k" * 32, start=start
    )
    record = CsvRecord(2, 2, "")
    row = {"Id": "1", "First": " Ada\u2028Augusta", "Last": "\u200fשלום"}
    lead = read_line(record, row, MAPPING, target).lead
    assert (lead.first_name, lead.last_name) == ("Ada Augusta", "שלום")
    for name in ("First", "Last"):
        with pytest.raises(InvalidLine, match="contains a link"):
            read_line(record, {**row, name: LINK}, MAPPING, target)


def test_a_blank_name_is_no_name() -> None:
    assert [normalize_name(text) for text in (None, "", " ", "\u200e\u202e")] == [None] * 4
