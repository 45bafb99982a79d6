"""Output of commands: nothing is folded in a pipe, and an id is never broken."""

import io
from uuid import UUID

import pytest
from rich.console import Console

from services.runtime import terminal
from services.runtime.terminal import note, print_rows

LEAD, PROPERTY = UUID(int=2**127 + 1), UUID(int=2**127 + 2)
LONG = "a reason of many words that is much longer than a narrow window, " * 5
ROWS = [
    {"id": LEAD, "property_id": PROPERTY, "reason": LONG, "ids": [LEAD, PROPERTY]},
    {"id": PROPERTY, "property_id": LEAD, "reason": "two\nlines [bold] :smile:", "ids": []},
]
COLUMNS = ["id", "reason", "property_id", "ids"]


def test_a_row_is_one_line_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_rows(ROWS, COLUMNS)
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == COLUMNS
    assert LONG.strip() in first
    assert f"{LEAD}, {PROPERTY}" in first
    assert second.split()[:5] == [str(PROPERTY), "two", "lines", "[bold]", ":smile:"]
    note(LONG)
    assert capsys.readouterr().err == f"{LONG}\n"


@pytest.mark.parametrize("width", [20, 60, 80, 120, 200])
def test_an_id_is_one_token_on_every_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    output = io.StringIO()
    screen = Console(file=output, force_terminal=True, no_color=True, width=width, highlight=False)
    monkeypatch.setattr(terminal, "SCREEN", screen)
    print_rows(ROWS, ["id", "reason", "property_id"])
    tokens = output.getvalue().split()
    assert tokens.count(str(LEAD)) == tokens.count(str(PROPERTY)) == 2
    assert "[bold]" in output.getvalue()
