"""Health routes of a worker: alive, ready or why not, and metrics."""

import asyncio

import httpx2
import pytest

from services.local_stack.ports import HOST, free_port
from services.runtime import health
from services.runtime.health import collect_problems, serve_health
from services.runtime.metrics import PUBLISHED
from tests.conftest import until


async def get(port: int, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.get(f"http://{HOST}:{port}{path}")


async def is_up(port: int) -> bool:
    try:
        return (await get(port, "/healthz")).status_code == 200
    except httpx2.HTTPError:
        return False


async def test_a_process_is_ready_if_every_check_passes() -> None:
    problems: list[str] = []

    async def check() -> str | None:
        return problems[0] if problems else None

    port = free_port()
    async with serve_health({"bus": check}, host=HOST, port=port):
        await until(lambda: is_up(port))
        assert (await get(port, "/readyz")).status_code == 200
        problems.append("no broker")
        answer = await get(port, "/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unready", "problems": {"bus": "no broker"}}
        assert (await get(port, "/healthz")).status_code == 200


async def test_the_metrics_contain_the_result_of_each_check() -> None:
    problems: list[str] = []

    async def check() -> str | None:
        return problems[0] if problems else None

    port = free_port()
    checks = {"kafka": check}
    async with serve_health(checks, host=HOST, port=port):
        await until(lambda: is_up(port))
        assert 'crm_check_problems{check="kafka"} 0.0' in (await get(port, "/metrics")).text
        problems.append("no broker")
        assert 'crm_check_problems{check="kafka"} 1.0' in (await get(port, "/metrics")).text
        checks.clear()
        assert "crm_check_problems{" not in (await get(port, "/metrics")).text


async def test_a_check_that_fails_or_hangs_is_reported_as_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)

    async def fail() -> str | None:
        raise ConnectionError("refused")

    async def hang() -> str | None:
        await asyncio.Event().wait()
        return None

    problems = await health.collect_problems({"fails": fail, "hangs": hang})
    assert problems == {
        "fails": "ConnectionError: refused",
        "hangs": "no answer within 0.05 s",
    }


async def test_metrics_are_in_the_text_format_of_prometheus() -> None:
    PUBLISHED.inc()
    port = free_port()
    async with serve_health({}, host=HOST, port=port):
        await until(lambda: is_up(port))
        answer = await get(port, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "crm_events_published_total" in answer.text


async def test_the_server_stops_at_the_end_of_its_block() -> None:
    port = free_port()
    async with serve_health({}, host=HOST, port=port):
        await until(lambda: is_up(port))
    assert not await is_up(port)


async def test_a_process_without_checks_is_still_starting() -> None:
    assert await collect_problems({}) == {"process": "still starting"}
