"""The command handler on a real database: conflicts, repetitions, decided intake."""

import asyncio
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.claims import EMAIL
from events.conversations import ConversationReplied
from events.leads import LeadCaptured, LeadStatus, LeadStatusChanged, LeadUpdated
from events.log.commands import CommandId, purge
from events.log.errors import Conflict
from events.record import Cause
from events.tours import TourCancelled, TourCompleted, TourScheduled, TourType
from services.application.command_handler import transact
from services.application.command_result import CommandResult
from services.application.decided_events import handle_decided_event
from services.application.known_leads import DecidedResult
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.conversations import PostBotReply, TakeOverConversation
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.leads import CaptureLead, ChangeStatus, Details, NoteLead, UpdateLead
from services.deciders.local_time import When
from services.deciders.sessions import ReceiveMessage
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.tour_outcomes import CancelTour, CompleteTour
from tests.commands import handle_command
from tests.world import World, make_world, read_parked_reasons

WHEN = When(date(2026, 4, 2), time(14), "America/New_York")
AFTER_TOUR = WHEN.instant + timedelta(minutes=WHEN.duration_minutes)


@dataclass
class CommandHarness:
    """Commands and decided events in one property."""

    world: World

    @property
    def scope(self) -> Scope:
        world = self.world
        return Scope(world.org_id, world.properties[0], world.tick(), Cause("test"))

    async def execute(
        self, command: object, command_id: CommandId | None = None
    ) -> CommandResult[None]:
        return await handle_command(self.world.pool, self.scope, command, command_id=command_id)

    async def send(self, event: object, event_id: UUID | None = None) -> DecidedResult:
        scope = self.scope
        return await handle_decided_event(
            self.world.pool,
            event,  # type: ignore[arg-type]
            event_id=event_id or uuid4(),
            org_id=scope.org_id,
            property_id=scope.property_id,
            occurred_at=scope.at,
            cause=scope.cause,
        )

    async def lead(self, **details: str) -> UUID:
        lead = uuid4()
        values: dict[str, Any] = {"email": f"{lead}@example.com"} | details
        await self.execute(CaptureLead(lead, Details(**values)))
        return lead

    async def tour(self, lead: UUID) -> UUID:
        tour = uuid4()
        await self.execute(ScheduleTour(tour, lead, at=self.world.now, when=WHEN, source="console"))
        return tour

    async def log(self) -> list[str]:
        async with self.world.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT event_type FROM crm_events WHERE lead_id IS NOT NULL ORDER BY seq"
            )
        return [row["event_type"] for row in rows]


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> CommandHarness:
    return CommandHarness(await make_world(pool))


async def test_decided_events_are_appended_and_projected(harness: CommandHarness) -> None:
    lead = await harness.lead()
    result = await harness.execute(
        ScheduleTour(uuid4(), lead, at=harness.world.now, when=WHEN, source="console")
    )
    assert await harness.log() == ["lead.captured", "tour.scheduled", "lead.status_changed"]
    assert result.token is not None
    assert result.token.event_id == result.events[-1][0]
    await harness.world.project()
    assert await read_parked_reasons(harness.world.pool) == []
    assert await harness.world.count("tours") == 1


async def test_of_two_concurrent_commands_on_one_tour_one_is_refused(
    harness: CommandHarness,
) -> None:
    lead = await harness.lead()
    tour = await harness.tour(lead)
    outcomes = await asyncio.gather(
        harness.execute(CompleteTour(tour, lead, at=AFTER_TOUR)),
        harness.execute(CancelTour(tour, lead)),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CommandResult", "Refused"]


async def test_after_a_conflict_a_command_is_decided_again(
    harness: CommandHarness,
) -> None:
    lead = await harness.lead()
    await asyncio.gather(*(harness.execute(NoteLead(lead, f"note {n}")) for n in range(5)))
    assert (await harness.log()).count("lead.noted") == 5


async def test_a_conflict_in_every_attempt_is_raised(harness: CommandHarness) -> None:
    lead = await harness.lead()

    async def always_conflicting(uow: UnitOfWork) -> None:
        await uow.execute(NoteLead(lead, "this one"))
        await harness.execute(NoteLead(lead, "the other one"))

    with pytest.raises(Conflict):
        await transact(harness.world.pool, harness.scope, always_conflicting)


async def test_a_repeated_command_gets_the_first_result_and_is_not_decided_again(
    harness: CommandHarness,
) -> None:
    lead = await harness.lead()
    command_id = CommandId(uuid4(), b"note")

    async def work(uow: UnitOfWork) -> dict[str, int]:
        await uow.execute(NoteLead(lead, "once"))
        return {"status": 201}

    async def send() -> CommandResult[dict[str, int]]:
        return await transact(harness.world.pool, harness.scope, work, command_id=command_id)

    results = await asyncio.gather(*(send() for _ in range(5)))
    assert {result.token for result in results} == {results[0].token}
    assert all(result.result == result.stored == {"status": 201} for result in results)
    assert sum(not result.repeated for result in results) == 1
    assert (await harness.log()).count("lead.noted") == 1


async def test_a_refusal_is_repeated_too(harness: CommandHarness) -> None:
    lead, command_id = uuid4(), CommandId(uuid4(), b"note")
    with pytest.raises(UnknownSubject):
        await harness.execute(NoteLead(lead, "early"), command_id)
    await harness.execute(CaptureLead(lead, Details(email="late@example.com")))
    with pytest.raises(Refused, match="no lead") as caught:
        await harness.execute(NoteLead(lead, "early"), command_id)
    assert caught.value.status == 404


async def test_a_command_id_with_another_content_is_refused(harness: CommandHarness) -> None:
    lead, key = await harness.lead(), uuid4()
    await harness.execute(NoteLead(lead, "one"), CommandId(key, b"one"))
    with pytest.raises(Refused) as caught:
        await harness.execute(NoteLead(lead, "two"), CommandId(key, b"two"))
    assert caught.value.status == 422


async def test_an_expired_command_id_can_be_used_again(harness: CommandHarness) -> None:
    lead, key = await harness.lead(), uuid4()
    long_ago = harness.world.now.replace(year=2020)
    await harness.execute(NoteLead(lead, "one"), CommandId(key, b"one", long_ago))
    await harness.execute(NoteLead(lead, "two"), CommandId(key, b"two", long_ago))
    assert (await harness.log()).count("lead.noted") == 2
    async with harness.world.pool.acquire() as conn:
        assert await purge(conn) == 1
        assert await purge(conn) == 0


async def test_an_e_mail_address_belongs_to_one_lead_of_a_property(harness: CommandHarness) -> None:
    await harness.lead(email="ada@example.com")
    with pytest.raises(Refused) as caught:
        await harness.execute(CaptureLead(uuid4(), Details(email="ada@example.com")))
    assert caught.value.code == "claim_taken"


async def test_a_placeholder_e_mail_address_belongs_to_no_lead(harness: CommandHarness) -> None:
    leads = {await harness.lead(email="test@example.com") for _ in range(2)}
    await harness.world.project()
    async with harness.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT id, email FROM leads")
        assert await conn.fetchval("SELECT count(*) FROM crm.claims WHERE kind = $1", EMAIL) == 0
    assert {row["id"] for row in rows} == leads, "two leads, neither merged nor refused"
    assert {row["email"] for row in rows} == {"test@example.com"}


async def test_an_unknown_profile_is_refused(
    harness: CommandHarness,
) -> None:
    lead = await harness.lead()
    with pytest.raises(Refused) as caught:
        await harness.execute(NoteLead(lead, "hi", uuid4()))
    assert caught.value.code == "unknown_profile"


async def test_a_lead_of_another_property_is_not_found(
    harness: CommandHarness, pool: asyncpg.Pool
) -> None:
    lead = await harness.lead()
    other = CommandHarness(await make_world(pool))
    with pytest.raises(Refused) as caught:
        await other.execute(NoteLead(lead, "hi"))
    assert caught.value.status == 404


async def test_a_decided_event_that_the_core_agrees_with_is_appended(
    harness: CommandHarness,
) -> None:
    lead = uuid4()
    key = uuid4()
    event = LeadCaptured(lead_id=lead, email="eve@example.com", source="Partner")
    assert (await harness.send(event, key)).new == (key,)
    assert (await harness.send(event, key)).duplicates == (key,)
    assert await harness.log() == ["lead.captured"]


async def test_the_consequences_of_a_decided_event_are_appended_with_it(
    harness: CommandHarness,
) -> None:
    lead = await harness.lead()
    event = TourScheduled(
        tour_id=uuid4(),
        lead_id=lead,
        **WHEN.event_fields,
        tour_type=TourType.VIRTUAL,
        source="partner",
    )
    key = uuid4()
    assert len((await harness.send(event, key)).new) == 4, (
        "the tour, its slot, its place and the status of the lead"
    )
    assert (await harness.send(event, key)).duplicates == (key,)
    assert await harness.log() == ["lead.captured", "tour.scheduled", "lead.status_changed"]


async def test_a_decided_event_with_an_unknown_subject_is_refused(harness: CommandHarness) -> None:
    with pytest.raises(UnknownSubject):
        await harness.send(TourCompleted(tour_id=uuid4(), lead_id=uuid4()))
    lead = await harness.lead()
    with pytest.raises(UnknownSubject):
        await harness.send(TourCompleted(tour_id=uuid4(), lead_id=lead))


async def test_a_decided_event_that_the_core_decides_otherwise_is_refused(
    harness: CommandHarness,
) -> None:
    with pytest.raises(Refused, match="status") as caught:
        await harness.send(LeadCaptured(
            lead_id=uuid4(), email="Eve@Example.com", status=LeadStatus.LEASED
        ))  # fmt: skip
    assert caught.value.code == "disagreed"
    lead = await harness.lead()
    other_zone = WHEN.event_fields | {"time_zone": "Europe/Berlin"}
    with pytest.raises(Refused, match="time_zone"):
        await harness.send(TourScheduled(
            tour_id=uuid4(), lead_id=lead, **other_zone, tour_type=TourType.VIRTUAL, source="x"
        ))  # fmt: skip


async def test_an_event_id_with_another_content_is_refused(
    harness: CommandHarness,
) -> None:
    lead, key = await harness.lead(), uuid4()
    await harness.send(LeadStatusChanged(lead_id=lead, status=LeadStatus.CONTACTED), key)
    await harness.send(LeadStatusChanged(lead_id=lead, status=LeadStatus.CONTACTED), key)
    with pytest.raises(Refused) as caught:
        await harness.send(LeadStatusChanged(lead_id=lead, status=LeadStatus.LOST), key)
    assert caught.value.code == "id_reused"


async def test_a_decided_event_that_changes_nothing_is_refused(harness: CommandHarness) -> None:
    lead = await harness.lead()
    tour = await harness.tour(lead)
    await harness.send(TourCancelled(tour_id=tour, lead_id=lead))
    with pytest.raises(Refused) as caught:
        await harness.send(TourCancelled(tour_id=tour, lead_id=lead))
    assert caught.value.code == "already_so"


async def test_null_empties_a_detail_and_an_absent_detail_stays(harness: CommandHarness) -> None:
    lead = await harness.lead(first_name="Ada")
    await harness.send(LeadUpdated(lead_id=lead, first_name=None, last_name="L"))
    await harness.world.project()
    async with harness.world.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT * FROM leads")
    assert row is not None
    assert (row["first_name"], row["last_name"]) == (None, "L")


async def test_a_bot_reply_with_an_old_takeover_epoch_is_refused(harness: CommandHarness) -> None:
    session, conversation = uuid4(), uuid4()
    await harness.execute(ReceiveMessage(session, conversation, uuid4(), "hello"))
    agent = uuid4()
    async with harness.world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
            agent,
            harness.world.org_id,
        )
    await harness.execute(TakeOverConversation(conversation, agent))
    with pytest.raises(Refused) as caught:
        await harness.execute(PostBotReply(conversation, uuid4(), "hi", epoch=0))
    assert caught.value.code == "stale_epoch"
    with pytest.raises(Refused):
        await harness.send(
            ConversationReplied(
                conversation_id=conversation, message_id=uuid4(), content="hi", epoch=0
            )
        )


async def test_a_command_without_events_returns_the_token_of_what_it_read(
    harness: CommandHarness,
) -> None:
    lead = await harness.lead()
    first = await harness.execute(UpdateLead(lead, {"first_name": "Ada"}))
    again = await harness.execute(UpdateLead(lead, {"first_name": "Ada"}))
    assert again.events == ()
    assert again.token == first.token
    status = await harness.execute(ChangeStatus(lead, LeadStatus.NEW))
    assert status.token == first.token
