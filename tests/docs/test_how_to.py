"""Each how-to page is followed to the letter in a copy of the tree, and ends with a real check."""

from pathlib import Path

import asyncpg
import pytest

from services.runtime.environment import to_environment
from services.runtime.settings import Settings
from tests.checkout import ROOT, Checkout
from tests.docs.pages import apply_edit, follow, read_blocks

HOW_TO = Path("docs/how-to")


@pytest.fixture
def checkout(
    tmp_path: Path, home: Path, owner_settings: Settings, bootstrap_servers: str
) -> Checkout:
    """Copy the tree; its commands work on the test's database, as the owner."""
    settings = owner_settings.model_copy(
        update={"kafka_bootstrap_servers": bootstrap_servers, "home": home}
    )
    return Checkout(tmp_path, **to_environment(settings))


def test_every_page_is_listed_and_has_a_test() -> None:
    pages = {path.name for path in (ROOT / HOW_TO).glob("add-*.md")}
    index = (ROOT / HOW_TO / "README.md").read_text(encoding="utf-8")
    tests = Path(__file__).read_text(encoding="utf-8")
    assert len(pages) == 4
    assert {page for page in pages if page in index and page in tests} == pages


def test_an_edit_that_does_not_match_fails() -> None:
    with pytest.raises(AssertionError, match="found 0 times"):
        apply_edit("a\nb\n", " a\n-c\n+d\n")
    assert apply_edit("a\nb\n", " a\n-b\n+c\n") == "a\nc\n"


def test_a_block_without_an_action_is_not_executed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nfalse\n```\n\n```sh run\ntrue\n```\n")
    assert [block.text for block in read_blocks(page)] == ["true\n"]


def test_add_an_event(checkout: Checkout) -> None:
    output = follow(checkout, "docs/how-to/add-an-event.md")
    assert "docs/contract/schemas/parking.requested.v1.json" in output
    assert "compatible" in output


def test_add_a_projection(checkout: Checkout) -> None:
    output = follow(checkout, "docs/how-to/add-a-projection.md")
    assert "lead_message_counts" in output


def test_add_a_route(checkout: Checkout) -> None:
    output = follow(checkout, "docs/how-to/add-a-route.md")
    assert "/api/leads/{lead_id}/consents" in output


async def test_add_a_migration(checkout: Checkout, pool: asyncpg.Pool) -> None:
    follow(checkout, "docs/how-to/add-a-migration.md")
    indexes = await pool.fetch(
        "SELECT indexname FROM pg_indexes WHERE tablename = 'lead_activities'"
    )
    assert "idx_lead_activities_created_by" in {row["indexname"] for row in indexes}
