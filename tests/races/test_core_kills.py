"""Runs go on and messages leave once at most, whatever process or server of the core is killed."""

from pathlib import Path

import pytest

from tests.races.core_kills import kill_everything

pytestmark = [pytest.mark.kill, pytest.mark.stack]


async def test_a_core_of_which_everything_is_killed_sends_no_message_twice_and_loses_none(
    home: Path,
) -> None:
    figures = await kill_everything(home, kills=30)
    print(figures)  # noqa: T201 — the figures of docs/reliability.md
