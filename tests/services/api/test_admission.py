"""More requests than an API process can answer: a bounded queue, 503, and recovery."""

import asyncio

import asyncpg
import httpx2
import pytest

from services.api import admission
from services.api.admission import RequestAdmission, Turn
from services.api.app import create_app
from services.api.problems import Problem
from services.api.server import ApiServer
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.site import Site, url_of


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one request work and one wait, for a short time."""
    monkeypatch.setattr(admission, "MAX_WORKING", 1)
    monkeypatch.setattr(admission, "MAX_WAITING", 1)
    monkeypatch.setattr(admission, "MAX_WAIT_SECONDS", 0.2)


@pytest.mark.usefixtures("narrow")
async def test_a_request_waits_for_the_end_of_another_one() -> None:
    gate = RequestAdmission()
    first = await gate.begin()
    waiting = asyncio.create_task(gate.begin())
    await asyncio.sleep(0)  # let it begin to wait
    with pytest.raises(Problem) as refused:
        await gate.begin()
    assert (refused.value.status, refused.value.code) == (503, "overloaded")
    first.end()
    first.end()
    (await waiting).end()
    (await gate.begin()).end()


@pytest.mark.usefixtures("narrow")
async def test_a_request_that_waited_too_long_is_refused_and_leaves_no_trace() -> None:
    gate = RequestAdmission()
    first = await gate.begin()
    for _ in range(3):
        with pytest.raises(Problem):
            await gate.begin()
    first.end()
    (await gate.begin()).end()


@pytest.mark.usefixtures("narrow")
async def test_a_client_that_leaves_the_queue_gives_its_turn_to_the_next() -> None:
    gate = RequestAdmission()
    first = await gate.begin()
    gone = asyncio.create_task(gate.begin())
    await asyncio.sleep(0)  # let it begin to wait
    first.end()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    (await gate.begin()).end()


@pytest.mark.usefixtures("narrow")
async def test_a_request_that_waits_elsewhere_lets_another_one_work() -> None:
    gate = RequestAdmission()
    first = await gate.begin()
    async with first.pause():
        second: Turn = await gate.begin()
    third = asyncio.create_task(gate.begin())
    await asyncio.sleep(0)  # let it begin to wait
    second.end()
    await asyncio.sleep(0)  # let it go on, if it may
    assert not third.done(), "the first one works again"
    first.end()
    (await third).end()


@pytest.mark.usefixtures("narrow")
async def test_a_full_queue_refuses_requests_before_the_application_sees_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "MAX_WAIT_SECONDS", 60)
    app = create_app(settings.model_copy(update={"http_port": 0}))
    server = ApiServer(settings.model_copy(update={"http_port": 0}), app)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    gate: RequestAdmission = app.state.admission
    working = await gate.begin()
    waiting = asyncio.create_task(gate.begin())
    async with httpx2.AsyncClient(base_url=url_of(server)) as client:
        await until(lambda: gate.is_full)
        body = {"text": "x" * 100_000}
        await client.post("/api/leads", json=body)
        refused = await client.post("/api/leads", json=body)  # on the same connection
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["Retry-After"] == "1"
        assert (await client.get("/healthz")).status_code == 200
        working.end()
        (await waiting).end()
        assert (await client.get("/api/leads")).status_code == 401
    server.should_exit = True
    await serving


@pytest.mark.usefixtures("narrow")
async def test_requests_beyond_the_queue_get_503_until_there_is_room_again(
    site: Site, owner_pool: asyncpg.Pool
) -> None:
    headers = site.console_headers()
    path = f"/api/leads?propertyId={site.property_id}"

    async def read_leads() -> int:
        response = await site.client.get(path, headers=headers)
        if response.status_code == 503:
            assert response.json()["code"] == "overloaded"
            assert response.headers["Retry-After"] == "1"
        return response.status_code

    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE properties IN ACCESS EXCLUSIVE MODE")
        requests = [asyncio.create_task(read_leads()) for _ in range(4)]
        await until(lambda: sum(request.done() for request in requests) == 3)
    assert sorted([await request for request in requests]) == [200, 503, 503, 503]
    assert await read_leads() == 200
