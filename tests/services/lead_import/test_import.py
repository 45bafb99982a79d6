"""Importing leads, on a real database; the public data set whole where it is at hand."""

import csv
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.deliveries import DeliveryPurpose
from events.record import Cause
from events.workflows import MessageChannel
from services.application.command_handler import handle, transact
from services.application.merges import merge
from services.application.unit_of_work import Scope, UnitOfWork
from services.deciders.deliveries import PlanDelivery
from services.lead_import.file import CsvFile
from services.lead_import.importer import Importer, Result, Told
from services.lead_import.lines import Line, Place
from services.lead_import.mapping import BadMapping, Mapping, read_mapping
from tests.world import World, make_world, parked_reasons

MAPPING = Path("docs/examples/x-education.toml")
DATA = Path(os.environ.get("CRM_DATA", "../shared/data")) / "x-education-leads.csv"
START = datetime(2025, 1, 1, tzinfo=UTC)
SMALL = {
    "name": "old",
    "lead": {
        "external_id": "Id", "source": {"column": "From"}, "email": {"column": "Mail"},
        "status": {"column": "Won", "values": {"yes": "leased", "no": "new"}},
    },
    "consent": [{"columns": ["Stop"], "channel": "email", "withdrawn": ["Yes"]}],
    "engagement": [{"columns": ["Last", "Before"], "values": {"Opened": "email_opened"}}],
    "count": [{"column": "Visits", "event_type": "repeat_visit", "less": 1}],
}  # fmt: skip
HEADER = "Id,From,Mail,Won,Stop,Last,Before,Visits,Hobby"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


def opened(world: World, path: Path, mapping: Mapping) -> CsvFile:
    place = Place(world.org_id, world.properties[0], START, timedelta(days=1) / 200)
    return CsvFile(path, mapping, place)


def small(world: World, directory: Path, *lines: str) -> CsvFile:
    path = directory / "leads.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return opened(world, path, Mapping.model_validate(SMALL))


async def imported(world: World, file: CsvFile, *, dry_run: bool = False) -> list[Told]:
    told: list[Told] = []
    await Importer(world.pool, dry_run=dry_run).run(file.lines(), told.append)
    return sorted(told, key=lambda one: one.line)


async def test_a_line_becomes_a_lead_with_its_history(world: World, tmp_path: Path) -> None:
    file = small(world, tmp_path, "a,Google,Ann@Acme.io,yes,Yes,Opened,Opened,3,chess")
    assert [told.result for told in await imported(world, file)] == [Result.NEW]
    rows = await world.pool.fetch(
        "SELECT event_type, origin, occurred_at FROM crm_events "
        "WHERE lead_id IS NOT NULL ORDER BY seq"
    )
    assert Counter(row["event_type"] for row in rows) == {
        "lead.imported": 1, "consent.withdrawn": 1, "engagement.recorded": 2 + 1,
    }  # fmt: skip
    assert {row["origin"] for row in rows} == {"import"}
    assert rows[0]["occurred_at"] == START
    await world.project()
    assert await parked_reasons(world.pool) == []
    lead = await world.pool.fetchrow("SELECT * FROM leads")
    assert lead is not None
    assert (lead["status"], lead["email"], lead["created_at"]) == ("leased", "ann@acme.io", START)
    scores = await world.pool.fetch("SELECT scored_at FROM lead_scores ORDER BY scored_at")
    assert scores[0]["scored_at"] == START, "the score history is historic"


async def test_importing_twice_changes_nothing(world: World, tmp_path: Path) -> None:
    file = small(world, tmp_path, "a,Google,,no,,,,1,", "b,,,no,,,,,", "a,Again,,no,,,,,")
    first = await imported(world, file)
    assert [told.result for told in first] == [Result.NEW, Result.NEW, Result.KNOWN]
    count = await world.count("crm_events")
    again = await imported(world, file)
    assert {told.result for told in again} == {Result.KNOWN}
    assert again[0].lead_id == first[0].lead_id
    assert await world.count("crm_events") == count


async def test_a_dry_run_says_the_same_and_writes_nothing(world: World, tmp_path: Path) -> None:
    lines = ["a,,x@acme.io,no,,,,1,", "b,,x@acme.io,no,,,,1,", ",,,no,,,,1,", "c,,,maybe,,,,1,",
             "d,,no address,no,,,,1,", "e,,,no,,,,many,", "f,,,no,,,,1,too,many"]  # fmt: skip
    file = small(world, tmp_path, *lines)
    before = await world.count("crm_events")
    preview = await imported(world, file, dry_run=True)
    assert await world.count("crm_events") == before
    assert [told.result.value for told in preview] == ["new", "known"] + ["refused"] * 5
    assert [(t.line, t.result) for t in await imported(world, file)] == [
        (told.line, told.result) for told in preview
    ]


async def test_whoever_is_known_already_may_opt_out_in_a_file(world: World, tmp_path: Path) -> None:
    known = world.captured(email="ada@acme.io")
    await world.append(world.new(known))
    file = small(world, tmp_path, "a,,Ada@acme.io,no,Yes,,,,", "a,,Ada@acme.io,no,Yes,,,,")
    [preview, _] = await imported(world, file, dry_run=True)
    assert (preview.result, preview.events) == (Result.KNOWN, 1)
    assert await world.count("crm_events WHERE event_type = 'consent.withdrawn'") == 0
    [told, again] = await imported(world, file)
    assert told == preview
    assert (again.result, again.events) == (Result.KNOWN, 0)
    assert told.lead_id == known.lead_id
    assert await planned(world, known.lead_id) == ["delivery.planned", "delivery.skipped"]
    await world.project()
    assert await parked_reasons(world.pool) == []
    count = await world.count("crm_events")
    assert {one.events for one in await imported(world, file)} == {0}
    assert await world.count("crm_events") == count


async def test_an_opt_out_reaches_the_lead_one_was_merged_into_and_a_later_file_too(
    world: World, tmp_path: Path
) -> None:
    [first] = await imported(world, small(world, tmp_path, "a,,ada@acme.io,no,,,,,"))
    assert first.lead_id is not None
    top = world.captured(email="ada@home.io")
    await world.append(world.new(top))

    async def work(uow: UnitOfWork) -> None:
        assert first.lead_id is not None
        await merge(uow, first.lead_id, top.lead_id, reason=None, by=None)

    scope = Scope(world.org_id, world.properties[0], world.tick(), Cause("test"))
    await transact(world.pool, scope, work)
    [told] = await imported(world, small(world, tmp_path, "a,,ada@acme.io,no,Yes,,,,"))
    assert (told.result, told.lead_id, told.events) == (Result.KNOWN, top.lead_id, 1)
    assert await planned(world, top.lead_id) == ["delivery.planned", "delivery.skipped"]
    [told] = await imported(world, small(world, tmp_path, "a,,,no,,,,,"))  # by its id alone
    assert (told.result, told.lead_id, told.events) == (Result.KNOWN, top.lead_id, 0)


async def planned(world: World, lead_id: UUID) -> list[str]:
    """What planning an e-mail to a lead comes to."""
    command = PlanDelivery(
        uuid4(), lead_id, MessageChannel.EMAIL, DeliveryPurpose.MANUAL, world.tick(), "Hello"
    )
    scope = Scope(world.org_id, world.properties[0], world.tick(), Cause("test"))
    return [event.name for _, event in (await handle(world.pool, scope, command)).events]


async def test_ids_that_another_system_uses_too_lose_no_lead_in_silence(
    world: World, tmp_path: Path
) -> None:
    lines = ["1,,ann@acme.io,no,,,,,", "Gv7qJ,,bob@acme.io,no,,,,,", "GV7QJ,,cy@acme.io,no,,,,,"]
    file = small(world, tmp_path, *lines)
    preview = await imported(world, file, dry_run=True)
    assert [one.result.value for one in preview] == ["new", "new", "refused"]
    assert [one.result.value for one in await imported(world, file)] == ["new", "new", "refused"]
    path = tmp_path / "others.csv"
    path.write_text(f"{HEADER}\n1,,dan@acme.io,no,,,,,\n1,,,no,,,,,\n1,,ann@acme.io,no,,,,,\n")
    others = opened(world, path, Mapping.model_validate(SMALL | {"name": "another"}))
    told = await imported(world, others)
    assert [one.result.value for one in told] == ["refused", "refused", "known"]
    assert "external id" in told[0].detail


async def test_columns_that_say_nothing_known_are_listed(world: World, tmp_path: Path) -> None:
    file = small(world, tmp_path, "a,,,no,No,Opened,Danced,1,chess")
    await imported(world, file, dry_run=True)
    found = {row["column"]: row["mapped"] for row in file.unread()}
    assert found == {"Stop": "partly", "Before": "partly", "Hobby": "no"}


async def test_one_line_the_log_refuses_costs_only_itself(world: World, tmp_path: Path) -> None:
    lines = [f"{n},,,no,,,,1," for n in range(50)]
    lines[20] = f'x,"{"s" * 400}",,no,,,,1,'
    lines[30] = "y\x00,,,no,,,,1,"
    lines[40] = f"z,,,no,,,,1,{'v' * 200_000}"
    told = await imported(world, small(world, tmp_path, *lines))
    assert [one.line for one in told if one.result is Result.REFUSED] == [21, 31, 41]


def test_a_mapping_with_a_mistake_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('name = "x"\n[lead]\nexternal_id = "Id"\nemial = "Mail"\n')
    with pytest.raises(BadMapping, match=r"lead\.emial"):
        read_mapping(path)


@pytest.mark.skipif(not DATA.exists(), reason=f"the data set is not at {DATA}: set CRM_DATA")
async def test_the_public_data_set_goes_in_whole_and_twice_is_once(world: World) -> None:
    file = opened(world, DATA, read_mapping(MAPPING))
    first = await imported(world, file)
    assert Counter(told.result.value for told in first) == {"new": 9_240}
    count = await world.count("crm_events")
    assert {told.result for told in await imported(world, file)} == {Result.KNOWN}
    assert await world.count("crm_events") == count
    with DATA.open(newline="") as source:
        rows = list(csv.DictReader(source))
    counted = await world.pool.fetch("SELECT event_type, count(*) FROM crm_events GROUP BY 1")
    kinds: dict[str, int] = {row["event_type"]: row["count"] for row in counted}
    assert kinds["lead.imported"] == 9_240
    assert kinds["consent.withdrawn"] == sum(
        row["Do Not Email"] == "Yes"
        or "Unsubscribed" in (row["Last Activity"], row["Last Notable Activity"])
        for row in rows
    ) + sum(row["Do Not Call"] == "Yes" for row in rows)
    leased = await world.pool.fetchval(
        "SELECT count(*) FROM crm_events WHERE event_type = 'lead.imported' "
        "AND payload ->> 'status' = 'leased'"
    )
    assert leased == sum(row["Converted"] == "1" for row in rows)
    referred = await world.pool.fetchval(
        "SELECT count(*) FROM crm_events WHERE payload ->> 'source' = 'Referral'"
    )
    assert referred == sum(row["Lead Source"] == "Reference" for row in rows)
    columns = {str(row["column"]) for row in file.unread() if row["mapped"] == "no"}
    assert {"Tags", "Country", "City", "Total Time Spent on Website"} <= columns
    assert all(isinstance(line, Line) for line in file.lines())
