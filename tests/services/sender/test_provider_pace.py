"""The pace of a provider: turns of its rate limit, and pauses."""

from datetime import timedelta
from uuid import uuid4

import asyncpg

from events.deliveries import DeliveryChannel
from services.adapters.provider import HandOverResult, NotHandedOver, OutgoingMessage
from services.runtime.settings import Settings
from services.sender.provider_pace import FAILURES_BEFORE_PAUSE, PAUSE, ProviderPace
from services.sender.sender import make_paces
from tests.services.sender.outbox import NOON, make_outbox

SECOND = timedelta(seconds=1)


def test_without_a_limit_every_message_leaves_at_once() -> None:
    pace = ProviderPace(0)
    assert [pace.find_turn(uuid4(), NOON) for _ in range(3)] == [NOON] * 3
    assert pace.find_turn(uuid4(), NOON + SECOND) == NOON + SECOND


def test_each_message_keeps_its_own_turn() -> None:
    pace = ProviderPace(2)
    first, second, third = uuid4(), uuid4(), uuid4()
    turns = [pace.find_turn(message, NOON) for message in (first, second, third)]
    assert turns == [NOON, NOON + SECOND / 2, NOON + SECOND]
    assert pace.find_turn(third, NOON + SECOND / 2) == NOON + SECOND
    assert pace.find_turn(second, NOON + SECOND / 2) == NOON + SECOND / 2
    assert pace.find_turn(uuid4(), NOON + SECOND) == NOON + SECOND * 1.5


def test_a_provider_gets_a_pause_after_failures_in_a_row_or_when_it_asks_for_one() -> None:
    pace = ProviderPace(0)
    for _ in range(FAILURES_BEFORE_PAUSE - 1):
        pace.record_failure(NOON)
    pace.record_answer()
    pace.record_failure(NOON)
    assert pace.find_turn(uuid4(), NOON) == NOON
    pace.record_failure(NOON)
    pace.record_failure(NOON)
    assert pace.find_turn(uuid4(), NOON) == NOON + PAUSE
    other = ProviderPace(0)
    other.record_failure(NOON, 90 * SECOND)
    assert other.find_turn(uuid4(), NOON) == NOON + 90 * SECOND


def test_the_settings_give_the_rates_of_the_channels(bare_settings: Settings) -> None:
    rates = {"sms_per_second": 2.0, "emails_per_second": 0.5}
    paces = make_paces(bare_settings.model_copy(update=rates))
    waits = {"sms": SECOND / 2, "email": 2 * SECOND, "webhook": 0 * SECOND}
    for channel, pace in paces.items():
        turns = [pace.find_turn(uuid4(), NOON) for _ in range(2)]
        assert turns == [NOON, NOON + waits[channel]]


async def test_a_busy_provider_gets_no_other_message_before_the_time_that_it_asks_for(
    pool: asyncpg.Pool,
) -> None:
    outbox = await make_outbox(pool)
    first, second, mail = [
        await outbox.plan(), await outbox.plan(), await outbox.plan(DeliveryChannel.EMAIL)
    ]  # fmt: skip

    async def refuse(_message: OutgoingMessage) -> HandOverResult:
        return NotHandedOver("busy", "429", 90)

    outbox.sms.answer = refuse
    await outbox.send(first, second, mail)
    assert len(outbox.sms.requests) == len(outbox.email.requests) == 1
    assert await outbox.steps(second) == ["planned"]
    outbox.pass_time(seconds=89)
    assert await outbox.due() == []
    outbox.pass_time(seconds=1)
    assert set(await outbox.due()) == {first, second}
