"""The page about the console lists each page of the menu with its key."""

import re
from pathlib import Path

from services.api.console.menu import ADMIN_PAGES, AGENT_PAGES, OPERATOR_PAGES, WRITER_PAGES

PAGE = Path(__file__).parents[2] / "docs" / "console.md"


MENU = (*AGENT_PAGES, *WRITER_PAGES, *OPERATOR_PAGES, *ADMIN_PAGES)


def test_every_page_of_the_menu_is_described_with_its_key() -> None:
    rows = re.findall(r"^\| `g (\w)` \| (\w+):", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    pages = {
        (key, name) for name, _, key in (*AGENT_PAGES, *WRITER_PAGES, *OPERATOR_PAGES, *ADMIN_PAGES)
    }
    assert set(rows) == pages
    assert len(rows) == len(pages)


def test_no_two_pages_have_the_same_key() -> None:
    pages = set(MENU)
    assert len({key for _, _, key in pages}) == len(pages)
