"""The sender process: it finds what is due, without a provider it simulates, and it stops clean."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from events.deliveries import DeliveryChannel
from events.log import timers
from events.log.connection import Connection
from events.log.timers import TimerBacklog
from services.adapters.provider import Accepted, HandOverResult, OutgoingMessage
from services.runtime.clock import Clock
from services.runtime.process import Checks
from services.runtime.settings import Settings
from services.sender import sender
from services.sender.sender import SendingLoop, overdue_check
from tests.conftest import until
from tests.services.sender.outbox import NOON, Outbox, make_outbox


async def test_without_a_provider_a_message_is_simulated_and_not_sent(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    settings = settings.model_copy(update={"send_lease_seconds": 77.0})
    outbox = await make_outbox(pool)
    messages = [await outbox.plan(), await outbox.plan(DeliveryChannel.EMAIL)]
    stop, checks, clock = asyncio.Event(), Checks(), Clock()
    clock.offset = NOON - clock.now()
    running = asyncio.create_task(sender.work(settings, stop, checks, clock))
    for message in messages:
        await until(lambda message=message: _has(outbox, message, "handed_over"))  # type: ignore[misc]
        _, taken = (await outbox.events(message))[-1]
        assert (taken["provider"], taken["simulated"]) == ("simulated", True)
        _, claimed = (await outbox.events(message))[-2]
        lease = datetime.fromisoformat(claimed["lease_until"]) - clock.now()
        assert timedelta(seconds=60) < lease < timedelta(seconds=77)
    assert await checks["deliveries"]() is None
    stop.set()
    await running


async def _has(outbox: Outbox, message: UUID, name: str) -> bool:
    return name in await outbox.steps(message)


async def test_a_stopped_sender_finishes_the_request_that_it_has_begun(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    await outbox.set_rules(intents_per_lead=100)
    messages = [await outbox.plan(body=f"{n}") for n in range(20)]
    stop, may_answer = asyncio.Event(), asyncio.Event()

    async def answer_later(_message: OutgoingMessage) -> HandOverResult:
        await may_answer.wait()
        return Accepted(None)

    outbox.sms.answer = answer_later
    running = asyncio.create_task(SendingLoop(pool, outbox.worker(), stop).run())
    await until(lambda: len(outbox.sms.requests) == sender.REQUESTS)
    stop.set()
    may_answer.set()
    await running
    steps = [await outbox.steps(message) for message in messages]
    assert steps.count(["planned", "claimed", "handed_over"]) == sender.REQUESTS
    assert steps.count(["planned"]) == 20 - sender.REQUESTS
    assert outbox.sms.most_running == sender.REQUESTS


async def test_a_property_has_a_limit_of_requests_also_after_a_sweep(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(timers, "SWEEP_FACTOR", 0)
    monkeypatch.setattr(sender, "POLL_SECONDS", 0.01)
    outbox = await make_outbox(pool)
    await outbox.set_rules(intents_per_lead=100)
    for number in range(20):
        await outbox.plan(body=f"{number}")
    stop, may_answer, looks = asyncio.Event(), asyncio.Event(), 0
    look = TimerBacklog.look

    async def count_looks(backlog: TimerBacklog, conn: Connection, now: datetime) -> None:
        nonlocal looks
        await look(backlog, conn, now)
        looks += 1

    async def answer_later(_message: OutgoingMessage) -> HandOverResult:
        await may_answer.wait()
        return Accepted(None)

    monkeypatch.setattr(TimerBacklog, "look", count_looks)
    outbox.sms.answer = answer_later
    running = asyncio.create_task(SendingLoop(pool, outbox.worker(), stop).run())
    await until(lambda: len(outbox.sms.requests) >= sender.REQUESTS)
    seen = looks
    await until(lambda: looks >= seen + 5)
    may_answer.set()
    await until(lambda: len(outbox.sms.requests) == 20)
    stop.set()
    await running
    assert outbox.sms.most_running == sender.REQUESTS


async def test_readyz_names_a_due_message_on_which_nobody_works(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    await outbox.plan()
    check = overdue_check(pool, outbox.clock)
    outbox.pass_time(seconds=sender.OVERDUE_SECONDS)
    assert await check() is None
    outbox.pass_time(seconds=1)
    assert "a due message has waited for 301 s" in str(await check())
    await outbox.send()
    assert await check() is None


async def test_a_held_message_does_not_make_the_process_unready(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    await outbox.plan(due_at=NOON + timedelta(days=1))
    outbox.pass_time(hours=23)
    assert await overdue_check(pool, outbox.clock)() is None
