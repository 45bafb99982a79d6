"""`crm projection`: in a copy of the checkout, from nothing to a filled and protected table."""

import shutil
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from services.cli.main import FAILED, run
from services.cli.projection_files import CATALOG
from tests.checkout import ROOT, Checkout
from tests.tours import tour_cancelled, tour_scheduled
from tests.world import make_world

TESTS_FAILED = 1
"""The exit status of pytest when tests failed."""
NAME = "lead_tour_counts"


@pytest.fixture
def checkout(tmp_path: Path, database_url: str) -> Checkout:
    return Checkout(tmp_path, DATABASE_URL=database_url, CRM_HOME=str(tmp_path / ".crm"))


@pytest.fixture(scope="module")
def created_once(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Create the projection in a copy of the checkout once; tests change copies of it."""
    checkout = Checkout(tmp_path_factory.mktemp("created"))
    checkout.execute("crm", "projection", "new", NAME)
    return checkout


@pytest.fixture
def created(tmp_path: Path, created_once: Checkout) -> Checkout:
    """Return a copy of the checkout with the new projection."""
    return Checkout(tmp_path, created_once.root)


async def test_a_new_projection_is_filled_and_protected(
    checkout: Checkout, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    lead, first, second = uuid4(), uuid4(), uuid4()
    for event in (
        world.captured(lead), tour_scheduled(first, lead), tour_scheduled(second, lead),
        tour_cancelled(first, lead),
    ):  # fmt: skip
        await world.append(world.new(event))
    await world.number()
    await world.project()

    checkout.execute("crm", "projection", "new", NAME)
    assert f"table public.{NAME} is missing" in checkout.execute(
        "crm", "db", "check", status=FAILED
    )
    checkout.execute("crm", "projection", "migration", NAME)
    checkout.execute("crm", "db", "migrate")
    checkout.execute("crm", "replay", "rebuild", NAME)
    checkout.execute("crm", "db", "check")
    checkout.execute("crm", "replay", "verify", NAME)
    rows = await pool.fetch(f"SELECT id, booked, cancelled FROM {NAME}")
    assert [tuple(row) for row in rows] == [(lead, 2, 1)]
    checkout.execute(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
        f"tests/projections/test_{NAME}.py", "tests/projections/test_catalog.py",
    )  # fmt: skip


@pytest.mark.parametrize("name", [NAME, "a_long_name_".ljust(40, "x")])
def test_the_written_files_pass_the_linter(checkout: Checkout, name: str) -> None:
    before = checkout.list_files()
    checkout.execute("crm", "projection", "new", name)
    checkout.execute("crm", "projection", "migration", name)
    written = sorted(path for path in checkout.list_files() - before if path.endswith(".py"))
    assert len(written) == 3
    for command in (["check"], ["format", "--check"]):
        checkout.execute("ruff", *command, "--no-cache", *written, CATALOG)


def test_a_dry_run_prints_the_files_and_writes_none(checkout: Checkout) -> None:
    before, catalog = checkout.list_files(), (checkout.root / CATALOG).read_text()
    printed = checkout.execute("crm", "projection", "new", NAME, "--dry-run")
    for path in (f"projections/{NAME}.py", f"tests/projections/test_{NAME}.py", CATALOG):
        assert f"--- {path}\n" in printed
    assert checkout.list_files() == before
    assert (checkout.root / CATALOG).read_text() == catalog


def test_a_dry_run_prints_the_migration_and_writes_no_file(created: Checkout) -> None:
    before = created.list_files()
    assert f"CREATE TABLE {NAME} (" in created.execute(
        "crm", "projection", "migration", NAME, "--dry-run"
    )
    assert created.list_files() == before


def test_the_migration_follows_the_table_as_it_is_now(created: Checkout) -> None:
    module = created.root / f"projections/{NAME}.py"
    changed = module.read_text().replace('"cancelled"', '"called_off"')
    module.write_text(changed)
    created.execute("crm", "projection", "migration", NAME)
    [script] = (created.root / "migrations/sql").glob(f"*_{NAME}.sql")
    assert "called_off INTEGER NOT NULL" in script.read_text()


def test_nothing_is_overwritten(created: Checkout) -> None:
    created.execute("crm", "projection", "migration", NAME)
    assert "has lead_tour_counts already" in created.execute(
        "crm", "projection", "new", NAME, status=FAILED
    )
    assert f"creates the table {NAME} already" in created.execute(
        "crm", "projection", "migration", NAME, status=FAILED
    )
    assert "creates the table tours already" in created.execute(
        "crm", "projection", "migration", "tours", status=FAILED
    )


def test_an_existing_projection_file_is_taken_as_it_is(created: Checkout) -> None:
    module = created.root / f"projections/{NAME}.py"
    written = module.read_text()
    shutil.copy(ROOT / CATALOG, created.root / CATALOG)
    (created.root / f"tests/projections/test_{NAME}.py").unlink()
    module.write_text(f"{written}\n# a comment\n")
    created.execute("crm", "projection", "new", NAME)
    assert module.read_text() == f"{written}\n# a comment\n"
    assert f"    {NAME},\n" in (created.root / CATALOG).read_text()
    output = created.execute(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
        f"tests/projections/test_{NAME}.py", status=TESTS_FAILED,
    )  # fmt: skip
    assert "the expected rows" in output, "the example must fail until it is replaced"


def test_an_existing_file_without_a_projection_is_refused(checkout: Checkout) -> None:
    (checkout.root / f"projections/{NAME}.py").write_text("TABLE = None\n")
    error = checkout.execute("crm", "projection", "new", NAME, status=FAILED)
    assert f"projections/{NAME}.py must define" in error
    assert NAME not in (checkout.root / CATALOG).read_text()


def test_a_table_that_does_not_say_whose_rows_it_holds_is_refused(created: Checkout) -> None:
    module = created.root / f"projections/{NAME}.py"
    lines = module.read_text().splitlines(keepends=True)
    kept = [line for line in lines if "org()" not in line and "property_id" not in line]
    module.write_text("".join(kept))
    assert "neither property_id nor org_id" in created.execute(
        "crm", "projection", "migration", NAME, status=FAILED
    )


@pytest.mark.parametrize("name", ["Tours", "1st", "a-b", "ab", "class", "x" * 41])
def test_a_bad_name_is_refused(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(["projection", "new", name]) == FAILED
    assert "is no name for a projection" in capsys.readouterr().err


def test_the_command_writes_only_into_its_own_checkout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["projection", "new", NAME]) == FAILED
    assert "belongs to the checkout" in capsys.readouterr().err
