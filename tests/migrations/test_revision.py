"""New migrations that `alembic revision` writes in a checkout."""

import ast
from pathlib import Path

import pytest

from services.runtime.migrations import current_heads
from tests.checkout import Checkout

NEXT = f"{int(current_heads('postgresql://nobody@nowhere/none')[0]) + 1:04}"


def revision(checkout: Checkout, *arguments: str) -> Path:
    """Run `alembic revision` in the checkout; return the one file that it wrote."""
    versions = checkout.root / "migrations" / "versions"
    before = set(versions.glob("*.py"))
    checkout.execute("alembic", "revision", "-m", "Index the agents, again", *arguments)
    (written,) = set(versions.glob("*.py")) - before
    return written


def test_a_revision_without_a_database_runs_a_file_of_sql(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.environment.pop("DATABASE_URL", None)
    written = revision(checkout, "--rev-id", NEXT)
    name = f"{NEXT}_index_the_agents_again"
    assert written.name == f"{name}.py"
    assert f'run("{name}.sql")' in written.read_text()
    (checkout.root / "migrations" / "sql" / f"{name}.sql").write_text("SELECT 1;\n")
    assert NEXT in checkout.execute("alembic", "heads")
    checkout.execute("ruff", "check", str(written))


def test_a_revision_from_the_declarations_has_the_next_number(
    tmp_path: Path, database_url: str
) -> None:
    checkout = Checkout(tmp_path, DATABASE_URL=database_url)
    activities = checkout.root / "projections" / "activities.py"
    index = 'Index("idx_lead_activities_lead", "lead_id"),'
    added = 'Index("idx_lead_activities_author", "created_by"),'
    activities.write_text(activities.read_text().replace(index, f"{index}\n    {added}"))
    written = revision(checkout, "--autogenerate")
    assert written.name == f"{NEXT}_index_the_agents_again.py"
    module = written.read_text()
    ast.parse(module)
    assert "op.create_index('idx_lead_activities_author'" in module
    assert f'revision = "{NEXT}"' in module
    checkout.execute("alembic", "upgrade", "head")
    assert NEXT in checkout.execute("alembic", "current")


@pytest.mark.parametrize("arguments", [("upgrade", "head"), ("revision", "--autogenerate")])
def test_without_an_address_the_message_names_the_variable(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    checkout = Checkout(tmp_path)
    checkout.environment.pop("DATABASE_URL", None)
    assert "DATABASE_URL is not set" in checkout.execute("alembic", *arguments, status=1)
