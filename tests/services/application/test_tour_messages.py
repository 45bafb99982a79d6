"""The messages of a tour: planned once, for one revision, and useless after a change."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from icalendar import Calendar

from events.consents import ConsentChannel
from events.deliveries import DeliveryPlanned, DeliveryPurpose, DeliverySkipped, MessageClass
from events.event import Event
from events.log import read
from events.record import Stream
from services.application.attachments import build_attachments
from services.application.command_handler import transact
from services.application.tour_messages import update_tour_messages
from services.application.unit_of_work import UnitOfWork
from services.deciders.consents import RecordConsent
from services.deciders.default_templates import TEMPLATES
from services.deciders.local_time import When
from services.deciders.templates import RetireTemplate
from services.deciders.tour_bookings import RescheduleTour, ScheduleTour
from services.deciders.tour_outcomes import (
    CancelTour,
    CompleteTour,
    ConfirmTour,
    CorrectNoShow,
    RecordNoShow,
)
from tests.services.application.workflow_harness import WorkflowHarness, make_harness

DAY = date(2026, 3, 10)
STARTS_AT = datetime(2026, 3, 10, 18, tzinfo=UTC)
"""14:00 in New York."""
HOUR = timedelta(hours=1)
TEXTS = {template.slug: template for template in TEMPLATES if template.slug.startswith("tour-")}


@dataclass
class Reactions:
    """A harness whose tour events are reacted to, as the policy does, each one or more times."""

    harness: WorkflowHarness
    reacted: set[UUID] = field(default_factory=set)

    async def book(self, lead_id: UUID, at: time = time(14), **more: Any) -> UUID:
        tour_id = uuid4()
        when = When(DAY, at, "America/New_York", 0, 30)
        values = {"source": "widget", **more}
        await self.execute(
            ScheduleTour(tour_id, lead_id, at=self.harness.world.now, when=when, **values)
        )
        return tour_id

    async def move(self, tour_id: UUID, lead_id: UUID, at: time, **more: Any) -> None:
        when = When(DAY, at, "America/New_York", 0, 30)
        await self.execute(
            RescheduleTour(tour_id, lead_id, at=self.harness.world.now, when=when, **more)
        )

    async def execute(self, command: Any) -> None:
        """Execute a command about a tour, and react to its events."""
        await self.harness.execute(command)
        await self.react(command.tour_id)

    async def react(self, tour_id: UUID, *, again: bool = False) -> None:
        async with self.harness.world.pool.acquire() as conn:
            history = await read.streams(conn, [Stream("tour", tour_id)])
        for recorded in history:
            event = recorded.event
            if not isinstance(event, Event) or (recorded.id in self.reacted and not again):
                continue
            self.reacted.add(recorded.id)

            async def work(
                uow: UnitOfWork, event: Event = event, at: datetime = recorded.occurred_at
            ) -> None:
                await update_tour_messages(uow, tour_id, event, at)

            await transact(self.harness.world.pool, self.harness.scope, work)

    async def planned(self) -> list[DeliveryPlanned]:
        return [event for event in await self.events() if isinstance(event, DeliveryPlanned)]

    async def events(self) -> list[Event]:
        """Return all events of deliveries, in the order of the log."""
        rows = await self.harness.world.pool.fetch(
            f"SELECT {read.COLUMNS} FROM crm_events WHERE entity_type = 'delivery' ORDER BY seq"
        )
        recorded_events = await read.decode_rows(self.harness.world.pool, rows)
        events = [recorded.event for recorded in recorded_events]
        return [event for event in events if isinstance(event, Event)]

    async def skipped(self) -> set[tuple[str, str, str, int | None]]:
        """Return purpose, channel, reason and revision of all skipped messages."""
        return {
            (event.purpose.value, event.channel.value, event.reason, event.tour_revision)
            for event in await self.events()
            if isinstance(event, DeliverySkipped)
        }

    async def open(self) -> list[tuple[str, str, int | None]]:
        """Return purpose, channel and revision of the messages that were not skipped."""
        events = await self.events()
        gone = {event.delivery_id for event in events if isinstance(event, DeliverySkipped)}
        return sorted(
            (event.purpose.value, event.channel.value, event.tour_revision)
            for event in events
            if isinstance(event, DeliveryPlanned) and event.delivery_id not in gone
        )


@pytest.fixture
async def tours(pool: asyncpg.Pool) -> Reactions:
    """Return a property with all templates of tours, active."""
    harness = await make_harness(pool)
    for template in TEXTS.values():
        await harness.create_template(template.slug, template.body, template.channel)
    harness.world.now = STARTS_AT - 72 * HOUR
    return Reactions(harness)


def of_both_channels(*purposes: str, revision: int = 1) -> list[tuple[str, str, int]]:
    return sorted(
        (purpose, channel, revision) for purpose in purposes for channel in ("email", "sms")
    )


REMINDERS = ("tour_reminder_24h", "tour_reminder_1h")


async def test_a_booking_is_confirmed_and_its_reminders_are_planned_once(tours: Reactions) -> None:
    lead = await tours.harness.create_lead(email="ada@example.com")
    tour = await tours.book(lead)
    planned = await tours.planned()
    due = {(event.purpose.value, event.channel.value): event.due_at for event in planned}
    now = tours.harness.world.now
    assert due == {
        (purpose, channel): at
        for purpose, at in (
            ("tour_confirmation", now), ("tour_reminder_24h", STARTS_AT - 24 * HOUR),
            ("tour_reminder_1h", STARTS_AT - HOUR),
        )
        for channel in ("sms", "email")
    }  # fmt: skip
    for event in planned:
        assert event.useful_until == STARTS_AT
        assert (event.tour_id, event.tour_revision) == (tour, 1)
        assert event.message_class is MessageClass.TRANSACTIONAL
        is_notice = event.purpose is DeliveryPurpose.TOUR_CONFIRMATION
        assert event.caused_at == (now if is_notice else None)
        assert event.body is not None
        assert "{{" not in event.body
    await tours.react(tour, again=True)
    assert await tours.planned() == planned


async def test_messages_without_an_active_template_are_not_planned(tours: Reactions) -> None:
    for slug in TEXTS:
        if slug not in ("tour-reminder-1h-sms", "tour-confirmation-email"):
            await tours.harness.execute(RetireTemplate(tours.harness.templates[slug]))
    await tours.book(await tours.harness.create_lead(email="ada@example.com"))
    assert await tours.open() == [
        ("tour_confirmation", "email", 1), ("tour_reminder_1h", "sms", 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hours", "purposes"),
    [(25, REMINDERS), (24, REMINDERS[1:]), (2, REMINDERS[1:]), (1, ()), (0.5, ())],
)
async def test_a_reminder_whose_time_has_passed_is_not_planned(
    tours: Reactions, hours: float, purposes: tuple[str, ...]
) -> None:
    tours.harness.world.now = STARTS_AT - hours * HOUR
    lead = await tours.harness.create_lead(email="ada@example.com")
    await tours.book(lead, source="console", send_confirmation=False)
    assert await tours.open() == of_both_channels(*purposes)


async def test_a_visitor_is_always_answered(tours: Reactions) -> None:
    lead = await tours.harness.create_lead(email="ada@example.com")
    await tours.book(lead, send_confirmation=False)
    assert await tours.open() == of_both_channels("tour_confirmation", *REMINDERS)


async def test_an_agent_s_booking_is_no_act_of_the_lead(tours: Reactions) -> None:
    await tours.book(await tours.harness.create_lead(), source="console")
    assert [event.caused_at for event in await tours.planned()] == [None, None, None]


async def test_a_move_replaces_the_messages_of_the_older_revision(tours: Reactions) -> None:
    lead = await tours.harness.create_lead(email="ada@example.com")
    tour = await tours.book(lead, source="console", send_confirmation=False)
    await tours.move(tour, lead, time(16))
    assert await tours.skipped() == {
        (purpose, channel, "tour_moved", 1) for purpose in REMINDERS for channel in ("sms", "email")
    }
    assert await tours.open() == of_both_channels(*REMINDERS, revision=2)
    newest = [event for event in await tours.planned() if event.tour_revision == 2]
    assert {event.useful_until for event in newest} == {STARTS_AT + 2 * HOUR}
    assert all("4:00 PM" in (event.body or "") for event in newest)
    await tours.move(tour, lead, time(17), send_notification=True)
    assert await tours.open() == of_both_channels("tour_change", *REMINDERS, revision=3)


async def test_a_notice_that_was_not_sent_before_a_move_has_the_new_time(tours: Reactions) -> None:
    lead = await tours.harness.create_lead()
    tour = await tours.book(lead)
    await tours.move(tour, lead, time(16))
    assert ("tour_confirmation", "sms", 2) in await tours.open()
    assert ("tour_confirmation", "sms", 1) not in await tours.open()


@pytest.mark.parametrize(
    ("command", "left"),
    [
        (CancelTour, []),
        (CompleteTour, []),
        (RecordNoShow, []),
        (ConfirmTour, of_both_channels("tour_confirmation", *REMINDERS)),
    ],
)
async def test_the_end_of_a_tour_makes_its_messages_useless(
    tours: Reactions, command: type, left: list[tuple[str, str, int]]
) -> None:
    lead = await tours.harness.create_lead(email="ada@example.com")
    tour = await tours.book(lead)
    more: dict[str, Any] = {}
    if command in (CompleteTour, RecordNoShow):
        tours.harness.world.now = STARTS_AT + HOUR
        more["at"] = STARTS_AT + HOUR
    await tours.execute(command(tour, lead, **more))
    assert await tours.open() == left
    assert {reason for _, _, reason, _ in await tours.skipped()} == (
        set() if left else {"tour_changed"}
    )
    assert await tours.harness.world.count("crm.timers WHERE kind = 'delivery'") == len(left)


async def test_a_cancellation_is_announced_if_the_agent_requests_it(tours: Reactions) -> None:
    lead = await tours.harness.create_lead(email="ada@example.com")
    tour = await tours.book(lead)
    await tours.execute(CancelTour(tour, lead, send_notification=True))
    assert await tours.open() == of_both_channels("tour_cancellation")
    await tours.react(tour, again=True)
    assert await tours.open() == of_both_channels("tour_cancellation")


async def test_a_late_reaction_plans_nothing_for_a_tour_that_is_over(tours: Reactions) -> None:
    lead = await tours.harness.create_lead()
    tour_id, now = uuid4(), tours.harness.world.now
    when = When(DAY, time(14), "America/New_York", 0, 30)
    await tours.harness.execute(ScheduleTour(tour_id, lead, at=now, when=when, source="widget"))
    await tours.harness.execute(CancelTour(tour_id, lead))
    await tours.react(tour_id)
    assert await tours.events() == []


async def test_a_corrected_no_show_plans_nothing_for_a_time_that_has_passed(
    tours: Reactions,
) -> None:
    lead = await tours.harness.create_lead()
    tour = await tours.book(lead)
    tours.harness.world.now = STARTS_AT + HOUR
    await tours.execute(RecordNoShow(tour, lead, at=STARTS_AT + HOUR))
    await tours.execute(CorrectNoShow(tour, lead))
    assert await tours.open() == []


async def test_a_channel_without_address_has_no_message_and_one_without_consent_a_reason(
    tours: Reactions,
) -> None:
    lead = await tours.harness.create_lead()
    await tours.harness.execute(RecordConsent(
        lead, ConsentChannel.SMS, given=False, place="reply", at=tours.harness.world.now
    ))  # fmt: skip
    await tours.book(lead)
    assert await tours.open() == []
    assert await tours.skipped() == {
        (purpose, "sms", "no_consent", 1) for purpose in ("tour_confirmation", *REMINDERS)
    }


async def test_a_missing_value_is_a_stored_reason_and_stops_no_other_message(
    tours: Reactions,
) -> None:
    await tours.harness.create_template("tour-confirmation-sms", "Here: {{tour_link}}")
    await tours.book(await tours.harness.create_lead(email="ada@example.com"))
    assert await tours.skipped() == {("tour_confirmation", "sms", "missing_value", 1)}
    [skipped] = [event for event in await tours.events() if isinstance(event, DeliverySkipped)]
    assert skipped.detail == "there is no value for tour_link"
    assert len(await tours.open()) == 5


async def test_an_invitation_is_built_from_the_tour_as_it_is_at_the_hand_over(
    tours: Reactions,
) -> None:
    lead = await tours.harness.create_lead(email="ada@example.com")
    tour = await tours.book(lead)

    async def read_invitations() -> dict[str, tuple[str, int, str]]:
        async def work(uow: UnitOfWork) -> dict[str, tuple[str, int, str]]:
            found = {}
            for event in await tours.planned():
                for file in await build_attachments(uow, event, "ada@example.com"):
                    calendar = Calendar.from_ical(file.content)
                    assert isinstance(calendar, Calendar)
                    (entry,) = calendar.events
                    assert file.content_type.startswith("text/calendar; method=")
                    found[event.purpose.value] = (
                        str(calendar["method"]), int(entry["sequence"]), str(entry["uid"])
                    )  # fmt: skip
            return found

        return (await transact(tours.harness.world.pool, tours.harness.scope, work)).result

    uid = f"tour-{tour}@leasing-crm"
    assert await read_invitations() == {"tour_confirmation": ("REQUEST", 0, uid)}
    await tours.move(tour, lead, time(16), send_notification=True)
    assert (await read_invitations())["tour_change"] == ("REQUEST", 1, uid)
    await tours.execute(CancelTour(tour, lead, send_notification=True))
    assert (await read_invitations())["tour_cancellation"] == ("CANCEL", 2, uid)
