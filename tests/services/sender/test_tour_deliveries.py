"""Messages of tours and tests of templates at the hand-over."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from icalendar import Calendar

from events.deliveries import DeliveryChannel, DeliveryPurpose, MessageClass
from events.workflows import MessageChannel
from services.deciders.local_time import When
from services.deciders.templates import DefineTemplate, RetireTemplate, TemplateContent
from services.deciders.tour_bookings import RescheduleTour, ScheduleTour
from services.deciders.tour_outcomes import CancelTour, ConfirmTour
from services.sender.provider_pace import ProviderPace
from tests.services.sender.outbox import EMAIL, NOON, Outbox, SetClock, make_outbox

P = DeliveryPurpose
STARTS_AT = NOON + timedelta(hours=3)


@pytest.fixture
async def outbox(pool: asyncpg.Pool) -> Outbox:
    return await make_outbox(pool)


def at_hour(hours: float) -> When:
    local = NOON.replace(hour=12) + timedelta(hours=hours)
    return When(local.date(), local.time(), "America/New_York", 0, 30)


async def book(outbox: Outbox, hours: float = 3) -> UUID:
    tour = uuid4()
    await outbox.do(ScheduleTour(
        tour, outbox.lead_id, at=outbox.clock.now(), when=at_hour(hours), source="widget"
    ))  # fmt: skip
    return tour


async def plan(outbox: Outbox, tour: UUID, purpose: DeliveryPurpose, **more: Any) -> UUID:
    return await outbox.plan(
        DeliveryChannel.EMAIL, purpose=purpose, tour_id=tour, tour_revision=1,
        message_class=MessageClass.TRANSACTIONAL, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "purpose", "outcome"),
    [
        (None, P.TOUR_CONFIRMATION, "handed_over"),
        (ConfirmTour, P.TOUR_REMINDER_1H, "handed_over"),
        (None, P.TOUR_CANCELLATION, "skipped tour_changed"),
        (CancelTour, P.TOUR_CANCELLATION, "handed_over"),
        (CancelTour, P.TOUR_CHANGE, "skipped tour_changed"),
        (CancelTour, P.TOUR_REMINDER_24H, "skipped tour_changed"),
        (RescheduleTour, P.TOUR_CONFIRMATION, "skipped tour_moved"),
        (RescheduleTour, P.TOUR_CHANGE, "skipped tour_moved"),
    ],
)
async def test_a_message_about_a_tour_leaves_only_if_it_still_fits(
    outbox: Outbox, change: type | None, purpose: DeliveryPurpose, outcome: str
) -> None:
    tour = await book(outbox)
    delivery = await plan(outbox, tour, purpose)
    if change is not None:
        more = {"at": outbox.clock.now(), "when": at_hour(5)} if change is RescheduleTour else {}
        await outbox.do(change(tour, outbox.lead_id, **more))
    await outbox.send()
    assert (await outbox.steps(delivery))[-1] == outcome


async def test_a_confirmation_carries_the_invitation(outbox: Outbox) -> None:
    tour = await book(outbox)
    await plan(outbox, tour, P.TOUR_CONFIRMATION)
    await plan(outbox, tour, P.TOUR_REMINDER_1H)
    await outbox.send()
    reminder, confirmation = sorted(outbox.email.requests, key=lambda sent: len(sent.attachments))
    assert reminder.attachments == ()
    [file] = confirmation.attachments
    calendar = Calendar.from_ical(file.content)
    assert isinstance(calendar, Calendar)
    (event,) = calendar.events
    assert (str(calendar["method"]), event.start) == ("REQUEST", STARTS_AT)
    assert event["attendee"] == f"mailto:{EMAIL}"


async def test_reminders_of_days_to_come_do_not_open_the_breaker_of_a_lead(
    outbox: Outbox,
) -> None:
    """A booking plans six messages at once; only those that are due now count."""
    tour = await book(outbox)
    now = [await plan(outbox, tour, P.TOUR_CONFIRMATION, body=f"{n}") for n in range(2)]
    for hours in (1, 2):
        for _ in range(4):
            due_at = outbox.clock.now() + timedelta(hours=hours)
            await plan(outbox, tour, P.TOUR_REMINDER_1H, due_at=due_at)
    await outbox.send()
    for delivery in now:
        assert (await outbox.steps(delivery))[-1] == "handed_over"
    outbox.pass_time(hours=1)
    more = [await plan(outbox, tour, P.TOUR_REMINDER_1H) for _ in range(2)]
    await outbox.send(*more)
    assert [(await outbox.steps(delivery))[-1] for delivery in more] == ["held lead_breaker"] * 2


async def test_reminders_of_days_to_come_do_not_open_the_breaker_of_the_property(
    outbox: Outbox,
) -> None:
    """They count when they are due: then the limit holds. The mean of the hours is below it."""
    await outbox.set_rules(intents_per_hour=4, intents_per_lead=100)
    tour = await book(outbox, 40)
    now = [await plan(outbox, tour, P.TOUR_CONFIRMATION, body=f"{n}") for n in range(2)]
    later = [
        await plan(outbox, tour, P.TOUR_REMINDER_24H, due_at=NOON + timedelta(hours=20))
        for _ in range(6)
    ]
    await outbox.send(*now)
    for delivery in now:
        assert (await outbox.steps(delivery))[-1] == "handed_over"
    outbox.pass_time(hours=20)
    await outbox.send(*later)
    assert [(await outbox.steps(delivery))[-1] for delivery in later] == [
        *["handed_over"] * 4, *["held property_breaker"] * 2
    ]  # fmt: skip


async def test_a_test_of_a_template_leaves_at_night_without_consent_and_counts_nowhere(
    outbox: Outbox,
) -> None:
    outbox.pass_time(hours=11)
    template = uuid4()
    content = TemplateContent("hi", "Hi", MessageChannel.SMS, "Hi", is_active=True)
    await outbox.do(DefineTemplate(template, content))
    await outbox.do(RetireTemplate(template))
    tests = [
        await outbox.plan(purpose=P.TEST, recipient="+15125550188", template_id=template,
                          template_version=1)
        for _ in range(8)
    ]  # fmt: skip
    await outbox.send()
    assert {(await outbox.steps(delivery))[-1] for delivery in tests} == {"handed_over"}
    assert {message.recipient for message in outbox.sms.requests} == {"+15125550188"}
    confirmation = await plan(outbox, await book(outbox, 20), P.TOUR_CONFIRMATION)
    await outbox.send()
    assert (await outbox.steps(confirmation))[-1] == "handed_over"


class TickingClock(SetClock):
    """A clock that goes on between two questions, as the system's does."""

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


async def test_time_that_passes_during_a_claim_is_no_later_turn(outbox: Outbox) -> None:
    outbox.clock = TickingClock(NOON)
    outbox.paces = {channel: ProviderPace(10) for channel in DeliveryChannel}
    delivery = await outbox.plan()
    outbox.pass_time(seconds=1)
    await outbox.send()
    assert (await outbox.steps(delivery))[-1] == "handed_over"
