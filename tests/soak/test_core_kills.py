"""A thousand kills of all processes and servers of the core."""

from pathlib import Path

import pytest

from tests.races.core_kills import kill_everything

pytestmark = [pytest.mark.soak, pytest.mark.stack]


async def test_a_thousand_kills_of_everything_send_no_message_twice_and_lose_none(
    home: Path,
) -> None:
    figures = await kill_everything(home, kills=1_000)
    print(figures)  # noqa: T201 — the figures of docs/reliability.md
