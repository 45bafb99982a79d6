"""The import of leads into a real database, also of the public data set if it is available."""

import csv
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from events.deliveries import DeliveryPurpose
from events.keys.ring import current_ring
from events.record import Cause
from events.workflows import MessageChannel
from services.application.command_handler import transact
from services.application.merges import merge
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.deliveries import PlanDelivery
from services.lead_import.csv_file import CsvFile
from services.lead_import.csv_table import CsvTable
from services.lead_import.importer import Importer
from services.lead_import.line_result import LineResult, LineStatus
from services.lead_import.line_values import ImportTarget
from services.lead_import.lines import LeadLine
from services.lead_import.mapping import ColumnMapping, InvalidMapping, read_mapping
from services.lead_import.text_format import detect_format
from tests.commands import handle_command
from tests.world import World, make_world, read_parked_reasons

MAPPING = "docs/examples/x-education.toml"
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


async def open_csv(world: World, path: Path, mapping: ColumnMapping) -> CsvFile:
    target = ImportTarget(
        world.org_id, world.properties[0], ZoneInfo("UTC"), datetime.now(UTC), "US",
        await current_ring().contact_key(world.pool), start=START,
        interval=timedelta(days=1) / 200,
    )  # fmt: skip
    return CsvFile(CsvTable(path, detect_format(path)), mapping, target)


async def write_csv(world: World, directory: Path, *lines: str) -> CsvFile:
    path = directory / "leads.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return await open_csv(world, path, ColumnMapping.model_validate(SMALL))


async def run_import(world: World, file: CsvFile, *, dry_run: bool = False) -> list[LineResult]:
    results: list[LineResult] = []
    await Importer(world.pool, dry_run=dry_run).run(file.lines(), results.append)
    return sorted(results, key=lambda result: result.line)


async def test_a_line_becomes_a_lead_with_its_history(world: World, tmp_path: Path) -> None:
    file = await write_csv(world, tmp_path, "a,Google,Ann@Acme.io,yes,Yes,Opened,Opened,3,chess")
    assert [result.result for result in await run_import(world, file)] == [LineStatus.NEW]
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
    assert await read_parked_reasons(world.pool) == []
    lead = await world.pool.fetchrow("SELECT * FROM leads")
    assert lead is not None
    assert (lead["status"], lead["email"], lead["created_at"]) == ("leased", "Ann@Acme.io", START)
    scores = await world.pool.fetch("SELECT scored_at FROM lead_scores ORDER BY scored_at")
    assert scores[0]["scored_at"] == START, "the score history is historic"


async def test_importing_twice_changes_nothing(world: World, tmp_path: Path) -> None:
    file = await write_csv(world, tmp_path, "a,Google,,no,,,,1,", "b,,,no,,,,,", "a,Again,,no,,,,,")
    first = await run_import(world, file)
    assert [result.result for result in first] == [LineStatus.NEW, LineStatus.NEW, LineStatus.KNOWN]
    count = await world.count("crm_events")
    again = await run_import(world, file)
    assert {result.result for result in again} == {LineStatus.KNOWN}
    assert again[0].lead_id == first[0].lead_id
    assert await world.count("crm_events") == count


async def test_a_dry_run_gives_the_same_results_and_writes_nothing(
    world: World, tmp_path: Path
) -> None:
    lines = ["a,,x@acme.io,no,,,,1,", "b,,x@acme.io,no,,,,1,", ",,,no,,,,1,", "c,,,maybe,,,,1,",
             "d,,no address,no,,,,1,", "e,,,no,,,,many,", "f,,,no,,,,1,too,many"]  # fmt: skip
    file = await write_csv(world, tmp_path, *lines)
    before = await world.count("crm_events")
    preview = await run_import(world, file, dry_run=True)
    assert await world.count("crm_events") == before
    assert [result.result.value for result in preview] == ["new", "known"] + ["refused"] * 5
    assert [(result.line, result.result) for result in await run_import(world, file)] == [
        (result.line, result.result) for result in preview
    ]


async def test_a_file_withdraws_the_consent_of_an_existing_lead_once(
    world: World, tmp_path: Path
) -> None:
    existing = world.captured(email="ada@acme.io")
    await world.append(world.new(existing))
    file = await write_csv(
        world, tmp_path, "a,,Ada@acme.io,no,Yes,,,,", "a,,Ada@acme.io,no,Yes,,,,"
    )
    [preview, _] = await run_import(world, file, dry_run=True)
    assert (preview.result, preview.events) == (LineStatus.KNOWN, 1)
    assert await world.count("crm_events WHERE event_type = 'consent.withdrawn'") == 0
    [result, again] = await run_import(world, file)
    assert result == preview
    assert (again.result, again.events) == (LineStatus.KNOWN, 0)
    assert result.lead_id == existing.lead_id
    assert await plan_email(world, existing.lead_id) == ["delivery.planned", "delivery.skipped"]
    await world.project()
    assert await read_parked_reasons(world.pool) == []
    count = await world.count("crm_events")
    assert {result.events for result in await run_import(world, file)} == {0}
    assert await world.count("crm_events") == count


async def test_a_withdrawal_reaches_the_winner_of_a_merge(world: World, tmp_path: Path) -> None:
    [first] = await run_import(world, await write_csv(world, tmp_path, "a,,ada@acme.io,no,,,,,"))
    assert first.lead_id is not None
    winner = world.captured(email="ada@home.io")
    await world.append(world.new(winner))

    async def work(uow: UnitOfWork) -> None:
        assert first.lead_id is not None
        await merge(uow, first.lead_id, winner.lead_id, reason=None, by=None)

    scope = Scope(world.org_id, world.properties[0], world.tick(), Cause("test"))
    await transact(world.pool, scope, work)
    [result] = await run_import(
        world, await write_csv(world, tmp_path, "a,,ada@acme.io,no,Yes,,,,")
    )
    assert (result.result, result.lead_id, result.events) == (LineStatus.KNOWN, winner.lead_id, 1)
    assert await plan_email(world, winner.lead_id) == ["delivery.planned", "delivery.skipped"]
    [result] = await run_import(
        world, await write_csv(world, tmp_path, "a,,,no,,,,,")
    )  # by its id alone
    assert (result.result, result.lead_id, result.events) == (LineStatus.KNOWN, winner.lead_id, 0)


async def plan_email(world: World, lead_id: UUID) -> list[str]:
    """Plan an e-mail to a lead; return the names of the events."""
    command = PlanDelivery(
        uuid4(), lead_id, MessageChannel.EMAIL, DeliveryPurpose.MANUAL, world.tick(), "Hello"
    )
    scope = Scope(world.org_id, world.properties[0], world.tick(), Cause("test"))
    return [event.name for _, event in (await handle_command(world.pool, scope, command)).events]


async def test_an_external_id_of_another_system_is_refused_and_reported(
    world: World, tmp_path: Path
) -> None:
    lines = ["1,,ann@acme.io,no,,,,,", "Gv7qJ,,bob@acme.io,no,,,,,", "GV7QJ,,cy@acme.io,no,,,,,"]
    file = await write_csv(world, tmp_path, *lines)
    preview = await run_import(world, file, dry_run=True)
    assert [result.result.value for result in preview] == ["new"] * 3, "case distinguishes ids"
    assert [result.result.value for result in await run_import(world, file)] == ["new"] * 3
    path = tmp_path / "others.csv"
    path.write_text(f"{HEADER}\n1,,dan@acme.io,no,,,,,\n1,,,no,,,,,\n1,,ann@acme.io,no,,,,,\n")
    others = await open_csv(world, path, ColumnMapping.model_validate(SMALL | {"name": "another"}))
    results = await run_import(world, others)
    assert [result.result.value for result in results] == ["refused", "refused", "known"]
    assert "external id" in results[0].detail


async def test_columns_that_the_mapping_does_not_cover_are_listed(
    world: World, tmp_path: Path
) -> None:
    file = await write_csv(world, tmp_path, "a,,,no,No,Opened,Danced,1,chess")
    await run_import(world, file, dry_run=True)
    mapped = {row["column"]: row["mapped"] for row in file.unread()}
    assert mapped == {"Stop": "partly", "Before": "partly", "Hobby": "no"}


async def test_a_line_that_the_log_refuses_fails_alone(world: World, tmp_path: Path) -> None:
    lines = [f"{n},,,no,,,,1," for n in range(50)]
    lines[20] = f'x,"{"s" * 400}",,no,,,,1,'
    lines[30] = "y\x00,,,no,,,,1,"
    lines[40] = f"z,,,no,,,,1,{'v' * 200_000}"
    results = await run_import(world, await write_csv(world, tmp_path, *lines))
    assert [result.line for result in results if result.result is LineStatus.REFUSED] == [
        22,
        32,
        42,
    ]


def test_a_mapping_with_a_mistake_is_refused_and_the_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('name = "x"\n[lead]\nexternal_id = "Id"\nemial = "Mail"\n')
    with pytest.raises(InvalidMapping, match=r"lead\.emial"):
        read_mapping(str(path))


@pytest.mark.skipif(
    not DATA.exists(),
    reason=f"the real data set is not part of the project: put it at {DATA} or set CRM_DATA",
)
async def test_the_public_data_set_is_imported_completely_and_only_once(world: World) -> None:
    file = await open_csv(world, DATA, read_mapping(MAPPING))
    first = await run_import(world, file)
    assert Counter(result.result.value for result in first) == {"new": 9_240}
    count = await world.count("crm_events")
    assert {result.result for result in await run_import(world, file)} == {LineStatus.KNOWN}
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
    assert {"Country", "Lead Quality", "Total Time Spent on Website"} <= columns
    assert not {"Tags", "City"} & columns
    assert all(isinstance(line, LeadLine) for line in file.lines())
