"""Imports of exports of other systems with the shipped mappings: dates, statuses, notes, agents."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.lead_import.csv_table import CsvTable
from services.lead_import.file_import import FileImport
from services.lead_import.mapping import (
    ColumnMapping,
    InvalidMapping,
    read_mapping,
    shipped_mappings,
)
from services.lead_import.text_format import detect_format
from tests.world import World, make_world, read_parked_reasons

EXPORTS = Path(__file__).parent / "exports"
HEADER = "Id,Mail,Created,State,Note\n"
SMALL = {
    "name": "small",
    "lead": {
        "external_id": "Id", "email": "Mail", "arrived": "Created",
        "status": {"column": "State", "values": {"new": "new", "gone": "lost"}, "empty": ""},
    },
    "note": [{"column": "Note"}],
}  # fmt: skip


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
async def grace(world: World, owner_pool: asyncpg.Pool) -> UUID:
    """Return the profile of an agent of the organisation in New York."""
    profile_id = uuid4()
    await owner_pool.execute(
        "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, 'viewer', $3)",
        profile_id, world.org_id, "Grace Hopper",
    )  # fmt: skip
    return profile_id


def open_import(world: World, path: Path, mapping: ColumnMapping, **options: Any) -> FileImport:
    table = CsvTable(path, detect_format(path))
    return FileImport(table, mapping, world.properties[0], **options)


async def import_export(world: World, name: str, **options: Any) -> dict[str, Any]:
    source = open_import(world, EXPORTS / f"{name}.csv", read_mapping(name), **options)
    return await source.run(world.pool)


async def read_lead(world: World, email: str) -> dict[str, Any]:
    row = await world.pool.fetchrow("SELECT * FROM leads WHERE email = $1", email)
    assert row is not None
    return dict(row)


async def read_statuses(world: World, lead_id: UUID) -> list[tuple[str, datetime]]:
    rows = await world.pool.fetch(
        "SELECT payload ->> 'status' AS status, occurred_at FROM crm_events "
        "WHERE lead_id = $1 AND event_type IN ('lead.imported', 'lead.status_changed') "
        "ORDER BY version",
        lead_id,
    )
    return [(row["status"], row["occurred_at"]) for row in rows]


async def read_activities(world: World, lead_id: UUID) -> dict[str, list[Any]]:
    rows = await world.pool.fetch(
        "SELECT type, description, metadata, created_at FROM lead_activities WHERE lead_id = $1 "
        "ORDER BY created_at",
        lead_id,
    )
    by_type: dict[str, list[Any]] = {}
    for row in rows:
        entry = (row["description"], row["metadata"], row["created_at"])
        by_type.setdefault(row["type"], []).append(entry)
    return by_type


def utc(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2025, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize("name", shipped_mappings())
async def test_a_shipped_mapping_imports_its_export_completely_and_only_once(
    world: World, grace: UUID, name: str
) -> None:
    preview = await import_export(world, name, is_dry_run=True)
    first = await import_export(world, name)
    assert (first["refused"], first["known"], first["refusals"]) == (0, 0, [])
    assert first["new"] == preview["new"] >= 2
    assert first["events"] == preview["events"]
    await world.project()
    assert await read_parked_reasons(world.pool) == []
    for shown in preview["preview"]:
        stored = await world.pool.fetchrow("SELECT * FROM leads WHERE id = $1", shown["lead"]["id"])
        assert stored is not None
        assert {**stored, **shown["lead"]} == dict(stored), "the preview shows what is stored"
    ann = await read_lead(world, "ann@leasing-test.org")
    assert ann["phone"] == "+12125550141"
    count = await world.count("crm_events")
    again = await import_export(world, name)
    assert (again["known"], again["events"]) == (first["new"], {})
    assert await world.count("crm_events") == count


async def test_hubspot_dates_are_those_of_its_zone_and_owners_are_agents(
    world: World, grace: UUID
) -> None:
    await import_export(world, "hubspot")
    await world.project()
    ann, jose, mei = [
        await read_lead(world, f"{name}@leasing-test.org") for name in ("ann", "jose", "mei")
    ]
    assert ann["created_at"] == utc(3, 1, 14, 30)
    assert (ann["status"], ann["source"], ann["assigned_agent_id"]) == (
        "contacted", "Google Ads", grace,
    )  # fmt: skip
    activities = await read_activities(world, ann["id"])
    [(_, metadata, _)] = activities["lead_created"]
    assert metadata["tags"] == ["pets", "2 bedrooms"]
    [(note, _, at)] = activities["note"]
    assert note == "Asked for the 2nd floor.\nWants a balcony."
    assert at == utc(3, 4, 21, 5)
    assert await read_statuses(world, jose["id"]) == [
        ("new", utc(3, 2, 16)), ("leased", utc(4, 1, 14)),
    ]  # fmt: skip
    assert jose["assigned_agent_id"] is None
    assert mei["status"] == "lost"
    withdrawn = await world.pool.fetch(
        "SELECT lead_id FROM crm_events WHERE event_type = 'consent.withdrawn'"
    )
    assert [row["lead_id"] for row in withdrawn] == [jose["id"]]


async def test_a_status_history_of_a_property_system_has_its_dates(
    world: World, grace: UUID
) -> None:
    await import_export(world, "yardi")
    await world.project()
    ann = await read_lead(world, "ann@leasing-test.org")
    assert await read_statuses(world, ann["id"]) == [
        ("new", utc(3, 1, 14, 30)), ("toured", utc(3, 3, 5)), ("applied", utc(3, 5, 5)),
        ("leased", utc(3, 10, 4)),
    ]  # fmt: skip
    assert (ann["status"], str(ann["move_in_date"]), ann["source"], ann["bedrooms"]) == (
        "leased", "2025-05-01", "Drive-by", "2",
    )  # fmt: skip
    changes = [entry[0] for entry in (await read_activities(world, ann["id"]))["status_change"]]
    assert changes == ["Status: new → toured", "Status: toured → applied",
                       "Status: applied → leased"]  # fmt: skip
    bob = await read_lead(world, "bob@leasing-test.org")
    assert await read_statuses(world, bob["id"]) == [
        ("new", utc(3, 2, 5)), ("toured", utc(3, 4, 5)), ("lost", utc(3, 4, 5)),
    ]  # fmt: skip


async def run_lines(world: World, directory: Path, text: str, **options: Any) -> dict[str, Any]:
    path = directory / "small.csv"
    path.write_text(HEADER + text)
    return await open_import(world, path, ColumnMapping.model_validate(SMALL), **options).run(
        world.pool
    )


async def test_refused_records_can_be_corrected_and_imported_again(
    world: World, tmp_path: Path
) -> None:
    text = (
        '1,ann@leasing-test.org,2025-03-01,new,"two\nlines"\n'
        "2,not an address,2025-03-01,new,\n"
        '3,cy@leasing-test.org,2025-03-01,new,"open\n'
        '4,dan@leasing-test.org,2025-03-01,new,"x"\n'
        "5,eve@leasing-test.org,03/01/2025,new,\n"
        "6,fay@leasing-test.org,2999-01-01,new,\n"
        "7,gil@leasing-test.org,2025-03-01,odd,\n"
        "8,hal@leasing-test.org,2025-03-01,gone,"
    )
    results, refused = tmp_path / "results.csv", tmp_path / "refused.csv"
    summary = await run_lines(world, tmp_path, text, results=results, refused=refused)
    assert (summary["new"], summary["refused"]) == (2, 5)
    with results.open(newline="") as file:
        rows = {int(row["line"]): row for row in csv.DictReader(file)}
    assert {line: (row["last_line"], row["result"]) for line, row in rows.items()} == {
        2: ("3", "new"), 4: ("4", "refused"), 5: ("6", "refused"), 7: ("7", "refused"),
        8: ("8", "refused"), 9: ("9", "refused"), 10: ("10", "new"),
    }  # fmt: skip
    assert "lines 5 to 6" in rows[5]["detail"]
    assert "Created: '03/01/2025' is not a date" in rows[7]["detail"]
    assert "in the future" in rows[8]["detail"]
    assert "'odd'" in rows[9]["detail"]
    corrected = refused.read_text()
    assert corrected == HEADER + "".join(text.splitlines(keepends=True)[2:8])
    for wrong, right in (
        ("not an address", "bob@leasing-test.org"), ('"open', "closed"),
        ("03/01/2025", "2025-03-01"), ("2999-01-01", "2025-01-01"), ("odd", "new"),
    ):  # fmt: skip
        corrected = corrected.replace(wrong, right)
    again = await run_lines(world, tmp_path, corrected.removeprefix(HEADER))
    assert (again["new"], again["refused"]) == (6, 0)
    await world.project()
    assert await world.count("leads") == 8


async def test_a_record_of_several_lines_with_a_wrong_number_of_fields_names_its_lines(
    world: World, tmp_path: Path
) -> None:
    text = '1,"ann@leasing-test.org,2025-03-01,new,\n2,bob@leasing-test.org",2025-03-01,new\n3,x\n'
    summary = await run_lines(world, tmp_path, text)
    assert [refusal["why"] for refusal in summary["refusals"]] == [
        "lines 2 to 3: 4 fields, the header has 5: a quote is probably not closed",
        "line 4: 2 fields, the header has 5",
    ]


async def test_refused_records_keep_the_encoding_and_delimiter(
    world: World, tmp_path: Path
) -> None:
    content = "\ufeffId;Mail;Created;State;Note\r\n1;x;2025-03-01;new;Jörg\r\n".encode("utf-16-le")
    path, refused = tmp_path / "utf16.csv", tmp_path / "refused.csv"
    path.write_bytes(content)
    mapping = ColumnMapping.model_validate(SMALL)
    summary = await open_import(world, path, mapping, refused=refused).run(world.pool)
    assert summary["refused"] == 1
    assert refused.read_bytes() == content


async def test_a_preview_shows_five_leads_and_writes_nothing(world: World, tmp_path: Path) -> None:
    text = "".join(f"{n},p{n}@leasing-test.org,2025-03-0{n},gone,a note\n" for n in range(1, 8))
    before = await world.count("crm_events")
    summary = await run_lines(world, tmp_path, text, is_dry_run=True)
    assert await world.count("crm_events") == before
    assert [lead["line"] for lead in summary["preview"]] == [2, 3, 4, 5, 6]
    [first, *_] = summary["preview"]
    assert (first["lead"]["email"], first["lead"]["status"], first["lead"]["created_at"]) == (
        "p1@leasing-test.org", "lost", utc(3, 1, 5),
    )  # fmt: skip
    assert [(entry["event"], entry["what"]) for entry in first["history"]] == [
        ("lead.noted", "note: a note")
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"zone": "Atlantis/City"}, "zone"),
        ({"lead": {"external_id": "Id", "arrived": {"column": "Created", "format": "YYYY"}}},
         "not a date format"),
        ({"lead": {"external_id": "ID!"}}, "no column ID!"),
        ({"lead": {"external_id": "Id", "assigned": {"column": "Note", "values": {
            "x": "00000000-0000-0000-0000-000000000001"}}}}, "is not a profile"),
        ({"history": [{"status": "happy", "at": "Created"}]}, "history"),
    ],
)  # fmt: skip
async def test_a_mapping_that_cannot_be_right_is_refused_before_anything_is_written(
    world: World, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = tmp_path / "small.csv"
    path.write_text(HEADER + "1,a@leasing-test.org,2025-03-01,new,\n")
    with pytest.raises((InvalidMapping, ValueError), match=words):
        await open_import(world, path, ColumnMapping.model_validate(SMALL | changes)).run(
            world.pool
        )


async def test_an_agent_who_is_unknown_or_not_unique_refuses_the_line(
    world: World, grace: UUID, owner_pool: asyncpg.Pool, tmp_path: Path
) -> None:
    for _ in range(2):
        await owner_pool.execute(
            "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, 'viewer', 'Twin')",
            uuid4(), world.org_id,
        )  # fmt: skip
    lead = {**SMALL["lead"], "assigned": {"column": "Note", "empty": "nobody"}}  # type: ignore[dict-item]
    mapping = ColumnMapping.model_validate({"name": "small", "lead": lead})
    path = tmp_path / "small.csv"
    rows = [f"{n},,2025-03-01,,{name}" for n, name in enumerate(
        ("GRACE hopper", "Twin", "Nobody Else", "nobody", str(grace), "")
    )]  # fmt: skip
    path.write_text(HEADER + "\n".join(rows) + "\n")
    summary = await open_import(world, path, mapping).run(world.pool)
    assert [refusal["line"] for refusal in summary["refusals"]] == [3, 4]
    assert "not the name or the id of one profile" in summary["refusals"][0]["why"]
    await world.project()
    agents = await world.pool.fetch("SELECT assigned_agent_id FROM leads ORDER BY external_id")
    assert [row["assigned_agent_id"] for row in agents] == [grace, None, grace, None]
