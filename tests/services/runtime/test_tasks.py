"""Tests of tasks that work beside each other: every one ends, also if a cancellation is lost."""

import ast
import asyncio

import pytest

from services.runtime import tasks
from services.runtime.tasks import run_until_first_ends
from tests.checkout import ROOT

PACKAGES = ("events", "projections", "services")


async def end_at_once() -> None: ...


async def test_the_first_task_that_ends_cancels_the_others() -> None:
    cancelled = asyncio.Event()

    async def run_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with asyncio.timeout(5):
        await run_until_first_ends(run_for_ever(), end_at_once())
    assert cancelled.is_set()


async def test_the_error_of_the_first_task_is_raised() -> None:
    async def fail() -> None:
        raise LookupError("first")

    async with asyncio.timeout(5):
        with pytest.raises(LookupError, match="first"):
            await run_until_first_ends(asyncio.Event().wait(), fail())


async def test_a_task_that_lost_its_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_SECONDS", 0.01)
    cancellations = 0

    async def lose_two() -> None:
        nonlocal cancellations
        while cancellations < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancellations += 1
        raise LookupError("ignored, because another task ended first")

    async with asyncio.timeout(5):
        await run_until_first_ends(lose_two(), end_at_once())
    assert cancellations == 3


def _loses_cancellations(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncio.wait_for"
        for node in ast.walk(tree)
    )


def test_no_wait_of_our_code_loses_a_cancellation() -> None:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert paths
    assert [path for path in paths if _loses_cancellations(ast.parse(path.read_text()))] == []


def test_the_check_finds_a_wait_that_loses_cancellations() -> None:
    assert _loses_cancellations(ast.parse("await asyncio.wait_for(event.wait(), 1)"))
