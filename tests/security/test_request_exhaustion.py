"""Attacks on requests and streams: invented visitors, a locked-out person, and too many streams."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.api.problems import Problem
from services.api.session_listeners import (
    Listener,
    SessionListeners,
    StreamLimits,
    parse_stream_limits,
)
from services.runtime.settings import Settings
from tests.services.api.site import (
    CHAT,
    WIDGET_CONFIG,
    WIDGET_LEAD,
    EchoResponder,
    create_widget,
    open_api,
)
from tests.services.api.tour_requests import at
from tests.world import make_world

ADA = "ada@example.com"
ALDER, BIRCH = UUID(int=1), UUID(int=2)


@asynccontextmanager
async def open_widget(
    settings: Settings, key: str, network: str = "203.0.113.7", **limits: str
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run an API with these limits only; requests come from `network` and have the widget key."""
    changed = settings.model_copy(update=limits)
    async with open_api(changed, EchoResponder(), address=network) as client:
        client.headers["X-API-Key"] = key
        yield client


@pytest.fixture
async def key(pool: asyncpg.Pool) -> str:
    return await create_widget(await make_world(pool))


async def count_accepted(
    client: httpx2.AsyncClient, visitors: list[str], **headers: str
) -> Counter[int]:
    responses = [
        await client.get(WIDGET_CONFIG, headers={"X-Visitor-ID": visitor, **headers})
        for visitor in visitors
    ]
    return Counter(response.status_code for response in responses)


@pytest.mark.parametrize("visitors", [[f"v_{uuid4()}" for _ in range(8)], [""] * 8])
async def test_a_new_or_missing_visitor_id_per_request_does_not_bypass_the_limit(
    settings: Settings, key: str, visitors: list[str]
) -> None:
    async with open_widget(settings, key, limit_visitor="5/hour") as client:
        assert await count_accepted(client, visitors) == {200: 5, 429: 3}
    async with open_widget(settings, key, "203.0.114.7", limit_visitor="5/hour") as client:
        assert await count_accepted(client, visitors[:1]) == {200: 1}


async def test_a_known_visitor_is_not_stopped_by_invented_ones_of_its_network(
    settings: Settings, key: str
) -> None:
    async with open_widget(settings, key, limit_visitor="6/hour") as client:
        started = await client.post(CHAT, json={"message": "hi"}, headers={"X-Visitor-ID": "v_1"})
        anonymous = await client.post(CHAT, json={"message": "hi"})
        await count_accepted(client, [f"v_{uuid4()}" for _ in range(10)])
        assert await count_accepted(client, ["v_1"] * 4) == {200: 4}
        token = anonymous.json()["sessionToken"]
        assert await count_accepted(client, [""] * 4, **{"X-Session-Token": token}) == {200: 4}
        assert started.status_code == 200


async def leave_contact(client: httpx2.AsyncClient, visitor: str, **body: Any) -> int:
    response = await client.post(
        WIDGET_LEAD, json={"email": ADA, **body}, headers={"X-Visitor-ID": visitor}
    )
    return response.status_code


async def test_a_stranger_cannot_lock_out_a_person_by_naming_the_address(
    settings: Settings, key: str
) -> None:
    limits = {"limit_contact": "3/hour"}
    async with open_widget(settings, key, **limits) as stranger:
        results = [await leave_contact(stranger, f"v_{number}") for number in range(5)]
        assert results == [200, 200, 200, 429, 429]
    async with open_widget(settings, key, "198.51.100.7", **limits) as person:
        assert await leave_contact(person, "v_ada") == 200


async def test_the_session_that_owns_the_lead_has_its_own_far_higher_limit(
    settings: Settings, key: str
) -> None:
    """Also in the network of the attack. A session that only names the address does not have it."""
    session = str(uuid4())
    limits = {"limit_contact": "2/hour", "limit_own_contact": "4/hour"}
    async with open_widget(settings, key, **limits) as client:
        assert await leave_contact(client, "v_ada", sessionId=session) == 200
        foreign = str(uuid4())
        results = [await leave_contact(client, "v_eve", sessionId=foreign) for _ in range(3)]
        assert results == [200, 429, 429]
        stolen = await leave_contact(client, "v_eve", sessionId=session)
        assert stolen == 429
        own = [await leave_contact(client, "v_ada", sessionId=session) for _ in range(5)]
        assert own == [200, 200, 200, 200, 429]
        booked = await client.post(
            "/api/lumaleasing/tours",
            json={**at("10:00"), "sessionId": session, "leadInfo": {"email": ADA}},
            headers={"X-Visitor-ID": "v_ada"},
        )
        assert booked.status_code == 429


def test_by_default_the_owner_of_a_lead_may_send_far_more_than_a_stranger() -> None:
    fields = Settings.model_fields
    assert (fields["limit_contact"].default, fields["limit_own_contact"].default) == (
        "20/hour", "300/hour",
    )  # fmt: skip


def join_many(
    listeners: SessionListeners, property_id: UUID, networks: list[str]
) -> list[Listener]:
    """Open one stream per network, each in its own session, until one is refused."""
    joined: list[Listener] = []
    for network in networks:
        try:
            joined.append(listeners.join(uuid4(), property_id, network))
        except Problem:
            break
    return joined


def test_one_network_and_one_property_have_a_share_of_the_streams(pool: asyncpg.Pool) -> None:
    listeners = SessionListeners(pool, StreamLimits(20, 8, 5, 0))
    of_network = join_many(listeners, ALDER, ["a"] * 20)
    assert len(of_network) == 5
    assert len(join_many(listeners, ALDER, [f"b{n}" for n in range(20)])) == 3
    assert len(join_many(listeners, BIRCH, ["a"])) == 0
    listeners.leave(of_network[0])
    assert len(join_many(listeners, BIRCH, ["a"])) == 1, "a closed stream is free again"


def test_the_reserve_is_for_properties_and_networks_without_a_stream(pool: asyncpg.Pool) -> None:
    listeners = SessionListeners(pool, StreamLimits(10, 10, 10, 2))
    assert len(join_many(listeners, ALDER, [f"a{n}" for n in range(20)])) == 8
    assert len(join_many(listeners, BIRCH, ["a1"])) == 0, "this network has a stream"
    assert len(join_many(listeners, BIRCH, ["b1"])) == 1
    assert len(join_many(listeners, BIRCH, ["b2"])) == 0, "this property has a stream now"
    assert len(join_many(listeners, UUID(int=3), ["c"])) == 1
    assert len(join_many(listeners, UUID(int=4), ["d"])) == 0, "the process has no more streams"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (200, 100, 50, 20)),
        ({"streams_per_process": 40}, (40, 20, 10, 4)),
        ({"streams_per_property_percent": 10}, (200, 20, 50, 20)),
        ({"streams_per_network_percent": 1}, (200, 100, 2, 20)),
        ({"streams_reserve_percent": 0}, (200, 100, 50, 0)),
        ({"streams_per_process": 1}, (1, 1, 1, 0)),
    ],
)
def test_the_shares_of_the_settings_are_numbers_of_streams(
    settings: Settings, changes: dict[str, int], expected: tuple[int, ...]
) -> None:
    limits = parse_stream_limits(settings.model_copy(update=changes))
    assert (limits.process, limits.per_property, limits.per_network, limits.reserve) == expected
