"""`crm projection`: in a copy of the checkout, from nothing to a filled and protected table."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from services.cli.main import FAILED, run
from services.cli.projection_files import CATALOG
from tests.tours import tour_cancelled, tour_scheduled
from tests.world import make_world

ROOT = Path(__file__).parents[3]
COPIED = ("events", "projections", "services", "migrations", "tests")
NAME = "lead_tour_counts"


class Checkout:
    """A copy of the project in a directory of the test, in which commands are run."""

    def __init__(self, root: Path, database_url: str) -> None:
        self.root = root
        self.env = {**os.environ, "DATABASE_URL": database_url, "CRM_HOME": str(root / ".crm")}
        for name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", root)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a module of this copy: the working directory is first in Python's path."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.root, env=self.env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def crm(self, *arguments: str) -> str:
        """Run a command that must succeed; return what it printed."""
        done = self.python("services.cli", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def crm_error(self, *arguments: str) -> str:
        """Run a command that must fail; return its error line."""
        done = self.python("services.cli", *arguments)
        assert done.returncode == FAILED, done.stdout + done.stderr
        return done.stdout + done.stderr

    def files(self) -> set[str]:
        paths = (path for name in COPIED for path in (self.root / name).rglob("*"))
        return {
            str(path.relative_to(self.root)) for path in paths if "__pycache__" not in str(path)
        }


@pytest.fixture
def checkout(tmp_path: Path, database_url: str) -> Checkout:
    return Checkout(tmp_path, database_url)


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

    checkout.crm("projection", "new", NAME)
    assert f"table public.{NAME} is missing" in checkout.crm_error("db", "check")
    checkout.crm("projection", "migration", NAME)
    checkout.crm("db", "migrate")
    checkout.crm("replay", "rebuild", NAME)
    checkout.crm("db", "check")
    checkout.crm("replay", "verify", NAME)
    rows = await pool.fetch(f"SELECT id, booked, cancelled FROM {NAME}")
    assert [tuple(row) for row in rows] == [(lead, 2, 1)]
    test = checkout.python("pytest", "-q", "-p", "no:cacheprovider",
                           f"tests/projections/test_{NAME}.py",
                           "tests/projections/test_catalog.py")  # fmt: skip
    assert test.returncode == 0, test.stdout + test.stderr


@pytest.mark.parametrize("name", [NAME, "a_long_name_".ljust(40, "x")])
def test_the_written_files_pass_the_linter(checkout: Checkout, name: str) -> None:
    before = checkout.files()
    checkout.crm("projection", "new", name)
    checkout.crm("projection", "migration", name)
    written = sorted(path for path in checkout.files() - before if path.endswith(".py"))
    assert len(written) == 3
    for command in (["check"], ["format", "--check"]):
        lint = checkout.python("ruff", *command, "--no-cache", *written, CATALOG)
        assert lint.returncode == 0, lint.stdout + lint.stderr


def test_a_dry_run_prints_the_files_and_writes_none(checkout: Checkout) -> None:
    before, catalog = checkout.files(), (checkout.root / CATALOG).read_text()
    printed = checkout.crm("projection", "new", NAME, "--dry-run")
    for path in (f"projections/{NAME}.py", f"tests/projections/test_{NAME}.py", CATALOG):
        assert f"--- {path}\n" in printed
    assert checkout.files() == before
    assert (checkout.root / CATALOG).read_text() == catalog
    checkout.crm("projection", "new", NAME)
    before = checkout.files()
    assert f"CREATE TABLE {NAME} (" in checkout.crm("projection", "migration", NAME, "--dry-run")
    assert checkout.files() == before


def test_the_migration_follows_the_table_as_it_is_now(checkout: Checkout) -> None:
    checkout.crm("projection", "new", NAME)
    module = checkout.root / f"projections/{NAME}.py"
    changed = module.read_text().replace('"cancelled"', '"called_off"')
    module.write_text(changed)
    checkout.crm("projection", "migration", NAME)
    [script] = (checkout.root / "migrations/sql").glob(f"*_{NAME}.sql")
    assert "called_off INTEGER NOT NULL" in script.read_text()


def test_nothing_is_overwritten(checkout: Checkout) -> None:
    checkout.crm("projection", "new", NAME)
    checkout.crm("projection", "migration", NAME)
    assert "has lead_tour_counts already" in checkout.crm_error("projection", "new", NAME)
    assert f"creates the table {NAME} already" in checkout.crm_error(
        "projection", "migration", NAME
    )
    assert "creates the table tours already" in checkout.crm_error(
        "projection", "migration", "tours"
    )


def test_an_existing_projection_file_is_taken_as_it_is(checkout: Checkout) -> None:
    module = checkout.root / f"projections/{NAME}.py"
    checkout.crm("projection", "new", NAME)
    written = module.read_text()
    shutil.copy(ROOT / CATALOG, checkout.root / CATALOG)
    (checkout.root / f"tests/projections/test_{NAME}.py").unlink()
    module.write_text(f"{written}\n# a comment\n")
    checkout.crm("projection", "new", NAME)
    assert module.read_text() == f"{written}\n# a comment\n"
    assert f"    {NAME},\n" in (checkout.root / CATALOG).read_text()
    test = checkout.python(
        "pytest", "-q", "-p", "no:cacheprovider", f"tests/projections/test_{NAME}.py"
    )
    assert "the expected rows" in test.stdout, "the example must fail until it is replaced"


def test_an_existing_file_without_a_projection_is_refused(checkout: Checkout) -> None:
    (checkout.root / f"projections/{NAME}.py").write_text("TABLE = None\n")
    error = checkout.crm_error("projection", "new", NAME)
    assert f"projections/{NAME}.py must define" in error
    assert NAME not in (checkout.root / CATALOG).read_text()


def test_a_table_that_does_not_say_whose_rows_it_holds_is_refused(checkout: Checkout) -> None:
    checkout.crm("projection", "new", NAME)
    module = checkout.root / f"projections/{NAME}.py"
    lines = module.read_text().splitlines(keepends=True)
    kept = [line for line in lines if "org()" not in line and "property_id" not in line]
    module.write_text("".join(kept))
    assert "neither property_id nor org_id" in checkout.crm_error("projection", "migration", NAME)


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
