"""Responses that the open pages of several people share after a change."""

import asyncio
from datetime import UTC, datetime

import pytest
from starlette.responses import HTMLResponse, Response

from services.api.console import shared_responses
from services.api.console.shared_responses import POSITION_HEADER, SharedResponses
from tests.services.api.console.visits import Visit, open_visit
from tests.services.api.leads_to_call import capture_lead
from tests.services.api.site import create_profile


class Maker:
    """Counts the responses that it makes. While `fails` is set, it raises."""

    def __init__(self) -> None:
        self.count, self.fails = 0, False

    async def __call__(self) -> Response:
        self.count += 1
        number = self.count
        await asyncio.sleep(0)  # one turn of the event loop, for the other readers
        if self.fails:
            raise RuntimeError("no database")
        return HTMLResponse(str(number))


async def test_those_who_ask_at_the_same_time_get_the_first_response() -> None:
    shared, make = SharedResponses(), Maker()
    responses = await asyncio.gather(*(shared.load("today", 5, make) for _ in range(50)))
    assert {bytes(response.body) for response in responses} == {b"1"}
    assert make.count == 1
    responses[0].headers["x-more"] = "only here"
    assert "x-more" not in responses[1].headers


async def test_a_later_change_is_read_again_and_an_earlier_one_is_not() -> None:
    shared, make = SharedResponses(), Maker()
    await shared.load("today", 5, make)
    assert (await shared.load("today", 6, make)).body == b"2"
    assert (await shared.load("today", 4, make)).body == b"2"
    assert (await shared.load("inbox", 4, make)).body == b"3"


async def test_a_response_is_shared_for_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_responses, "MAX_SECONDS", 0)
    shared, make = SharedResponses(), Maker()
    await shared.load("today", 5, make)
    assert (await shared.load("today", 5, make)).body == b"2"


async def test_a_failure_is_not_shared() -> None:
    shared, make = SharedResponses(), Maker()
    make.fails = True
    results = await asyncio.gather(
        *(shared.load("today", 5, make) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [RuntimeError] * 3
    make.fails = False
    assert (await shared.load("today", 5, make)).status_code == 200


async def test_the_last_responses_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_responses, "MAX_RESPONSES", 1)
    shared, make = SharedResponses(), Maker()
    await shared.load("today", 5, make)
    await shared.load("inbox", 5, make)
    assert (await shared.load("today", 5, make)).body == b"3"


async def test_only_people_with_the_same_role_share_a_page(manager: Visit) -> None:
    site, path = manager.site, manager.at_property("today")

    async def read(visit: Visit, position: str) -> str:
        return (await visit.open(path, **{"HX-Request": "true", POSITION_HEADER: position})).answer

    async with (
        open_visit(site, site.viewer) as viewer,
        open_visit(site, await create_profile(site.world, "manager")) as other_manager,
    ):
        assert "Nothing waits" in await read(manager, "5")
        await capture_lead(site, datetime.now(UTC))
        await site.project()
        assert "Nothing waits" in await read(other_manager, "5")
        assert "Nothing waits" not in await read(viewer, "5")
        assert "Nothing waits" not in await read(other_manager, "6")
        assert "Nothing waits" not in (await manager.open(path)).answer


@pytest.mark.parametrize("position", ["", "-1", "x", "9" * 30])
async def test_a_page_without_a_position_is_read_by_itself(position: str, manager: Visit) -> None:
    path = manager.at_property("today")
    for _ in range(2):
        shown = await manager.open(path, **{"HX-Request": "true", POSITION_HEADER: position})
        assert shown.status == 200
        await capture_lead(manager.site, datetime.now(UTC))
        await manager.site.project()
    assert "Nothing waits" not in (await manager.open(path, **{"HX-Request": "true"})).answer
