"""`crm import` with a real database: options, output, files and exit codes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.cli.main import FAILED, OK, USAGE, run
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.services.lead_import.test_exports import EXPORTS
from tests.world import World, make_world

NO_DATES = 'name = "old"\n[lead]\nexternal_id = "Id"\nemail = "Mail"\n'


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
def crm(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Return a function that runs `crm import …` in a thread: exit code, stdout and stderr."""
    use_database(monkeypatch, settings)

    async def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run, ["import", *map(str, arguments)])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


async def test_a_dry_run_shows_leads_as_they_would_be_stored(world: World, crm: Any) -> None:
    options = ("--property", str(world.properties[0]), "--mapping", "yardi")
    code, out, err = await crm("leads", EXPORTS / "yardi.csv", *options, "--dry-run")
    assert code == OK
    assert "with the delimiter ';'" in err
    assert "\nline 2\n" in out
    assert "  status             leased\n" in out
    assert "  metadata.tags      pets, balcony\n" in out
    assert "  2025-03-03 05:00 lead.status_changed: status: toured, previous_status: new\n" in out
    assert await world.count("crm_events WHERE event_type LIKE 'lead.%'") == 0


async def test_a_proposal_is_the_mapping_of_the_next_command(
    world: World, crm: Any, tmp_path: Path
) -> None:
    code, out, _ = await crm("columns", EXPORTS / "salesforce.csv", "--name", "sf")
    assert code == OK
    mapping = tmp_path / "sf.toml"
    mapping.write_text(out)
    code, out, _ = await crm(
        "leads", EXPORTS / "salesforce.csv", "--property", str(world.properties[0]),
        "--mapping", mapping, "--results", tmp_path / "r.csv", "--refused", tmp_path / "x.csv",
        "--json",
    )  # fmt: skip
    summary = json.loads(out)
    assert (code, summary["new"], summary["refused"]) == (OK, 2, 0)
    assert (tmp_path / "r.csv").read_text().count("\n") == 3
    assert (tmp_path / "x.csv").read_text().count("\n") == 1


async def test_shipped_mappings_are_listed_and_printed(crm: Any) -> None:
    code, out, _ = await crm("mappings")
    assert (code, out.split()) == (OK, ["generic", "hubspot", "salesforce", "yardi"])
    assert 'name = "hubspot"' in (await crm("mappings", "hubspot"))[1]
    assert (await crm("mappings", "none"))[0] == FAILED


async def test_a_start_is_needed_only_without_dates(world: World, crm: Any, tmp_path: Path) -> None:
    mapping, file = tmp_path / "m.toml", tmp_path / "a.csv"
    mapping.write_text(NO_DATES)
    file.write_text("Id;Mail\n1;jörg@leasing-test.org\n2;x\n", encoding="cp1252")
    options = ("leads", file, "--property", str(world.properties[0]), "--mapping", mapping)
    code, _, err = await crm(*options)
    assert (code, "give --start" in err) == (FAILED, True)
    code, _, err = await crm(*options, "--start", "2999-01-01")
    assert (code, "in the future" in err) == (FAILED, True)
    code, _, err = await crm(*options, "--start", "2025-01-01", "--rate", "0")
    assert (code, "--rate is 0" in err) == (FAILED, True)
    code, out, _ = await crm(*options, "--start", "2025-01-01")
    assert code == FAILED, "a line is refused"
    assert "3     " in out
    code, _, err = await crm(
        "leads", EXPORTS / "yardi.csv", *options[2:4], "--mapping", "yardi", "--start", "2025-01-01"
    )
    assert (code, "leave out --start" in err) == (FAILED, True)


async def test_a_wrong_encoding_or_delimiter_or_file_is_one_line(
    world: World, crm: Any, tmp_path: Path
) -> None:
    options = ("--property", str(world.properties[0]), "--mapping", "yardi")
    for more, words in (
        (("--encoding", "latin-99"), "is not an encoding"), (("--delimiter", "tab"), "no column"),
        (("--delimiter", "::"), "not one character"), (("--encoding", "utf-16"), "utf-16"),
    ):  # fmt: skip
        code, _, err = await crm("leads", EXPORTS / "yardi.csv", *options, *more)
        assert (code, words in err, err.count("\n")) == (FAILED, True, 1), err
    code, _, err = await crm("leads", tmp_path / "none.csv", *options)
    assert (code, "cannot be read" in err) == (FAILED, True)
    assert (await crm("leads", EXPORTS / "yardi.csv"))[0] == USAGE
    code, out, _ = await crm("leads", "--help")
    assert (code, "--refused" in out) == (OK, True)
    assert "Exit codes" in (await crm("--help"))[1]


async def test_an_import_into_tables_that_cannot_hold_the_leads_is_refused_before_it_begins(
    world: World, owner_pool: asyncpg.Pool, crm: Any, tmp_path: Path
) -> None:
    await owner_pool.execute("ALTER TABLE leads ADD COLUMN company text NOT NULL")
    options = ("leads", EXPORTS / "yardi.csv", "--property", str(world.properties[0]),
               "--mapping", "yardi", "--results", tmp_path / "results.csv")  # fmt: skip
    before = await world.count("crm_events")
    code, _, err = await crm(*options)
    assert code == FAILED
    assert "run `ALTER TABLE public.leads ALTER COLUMN company DROP NOT NULL`" in err
    assert await world.count("crm_events") == before
    assert not (tmp_path / "results.csv").exists()
    await owner_pool.execute("ALTER TABLE leads ALTER COLUMN company DROP NOT NULL")
    assert (await crm(*options))[0] == OK
