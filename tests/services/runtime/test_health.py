"""A worker says how it is: alive, ready or why not, and in figures."""

import asyncio

import httpx2
import pytest

from services.local_stack.ports import HOST, free_port
from services.runtime import health
from services.runtime.health import find_problems, serving_health
from services.runtime.metrics import PUBLISHED
from tests.conftest import until


async def get(port: int, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.get(f"http://{HOST}:{port}{path}")


async def up(port: int) -> bool:
    try:
        return (await get(port, "/healthz")).status_code == 200
    except httpx2.HTTPError:
        return False


async def test_ready_is_what_every_check_agrees_to() -> None:
    wrong: list[str] = []

    async def check() -> str | None:
        return wrong[0] if wrong else None

    port = free_port()
    async with serving_health({"bus": check}, host=HOST, port=port):
        await until(lambda: up(port))
        assert (await get(port, "/readyz")).status_code == 200
        wrong.append("no broker")
        answer = await get(port, "/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unready", "problems": {"bus": "no broker"}}
        assert (await get(port, "/healthz")).status_code == 200


async def test_a_check_that_fails_or_hangs_is_a_problem_not_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)

    async def fail() -> str | None:
        raise ConnectionError("refused")

    async def hang() -> str | None:
        await asyncio.Event().wait()
        return None

    problems = await health.find_problems({"fails": fail, "hangs": hang})
    assert problems == {
        "fails": "ConnectionError: refused",
        "hangs": "no answer within 0.05 s",
    }


async def test_figures_are_prometheus_text() -> None:
    PUBLISHED.inc()
    port = free_port()
    async with serving_health({}, host=HOST, port=port):
        await until(lambda: up(port))
        answer = await get(port, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "crm_events_published_total" in answer.text


async def test_the_server_ends_with_its_block() -> None:
    port = free_port()
    async with serving_health({}, host=HOST, port=port):
        await until(lambda: up(port))
    assert not await up(port)


async def test_a_process_that_checks_nothing_yet_is_still_starting() -> None:
    assert await find_problems({}) == {"process": "still starting"}
