"""The one command handler on a real database: races, repeats, proposals."""

import asyncio
from dataclasses import dataclass
from datetime import date, time
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.chat import ConversationReplied
from events.leads import LeadCaptured, LeadStatus, LeadStatusChanged, LeadUpdated
from events.log.append import Appended
from events.log.commands import Command, purge
from events.log.errors import Conflict
from events.record import Cause
from events.tours import TourCancelled, TourCompleted, TourScheduled, TourType
from services.application.command_handler import handle, transact
from services.application.command_result import Handled
from services.application.decided_events import handle_proposal
from services.application.unit_of_work import Scope, UnitOfWork
from services.deciders.conversations import Reply, TakeOver
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.leads import CaptureLead, ChangeStatus, Details, NoteLead, UpdateLead
from services.deciders.local_time import When
from services.deciders.messages import ReceiveMessage
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.tour_outcomes import CancelTour, CompleteTour
from tests.world import World, make_world, parked_reasons

WHEN = When(date(2026, 4, 2), time(14), "America/New_York")


@dataclass
class Door:
    """The handler in one property."""

    world: World

    @property
    def scope(self) -> Scope:
        world = self.world
        return Scope(world.org_id, world.properties[0], world.tick(), Cause("test"))

    async def do(self, command: object, once: Command | None = None) -> Handled[None]:
        return await handle(self.world.pool, self.scope, command, once=once)

    async def propose(self, event: object, event_id: UUID | None = None) -> Appended:
        scope = self.scope
        return await handle_proposal(
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
        await self.do(CaptureLead(lead, Details(**({"email": f"{lead}@example.com"} | details))))  # type: ignore[arg-type]
        return lead

    async def tour(self, lead: UUID) -> UUID:
        tour = uuid4()
        await self.do(ScheduleTour(tour, lead, at=self.world.now, when=WHEN, source="console"))
        return tour

    async def log(self) -> list[str]:
        async with self.world.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT event_type FROM crm_events WHERE lead_id IS NOT NULL ORDER BY seq"
            )
        return [row["event_type"] for row in rows]


@pytest.fixture
async def door(pool: asyncpg.Pool) -> Door:
    return Door(await make_world(pool))


async def test_what_is_decided_is_appended_and_becomes_rows(door: Door) -> None:
    lead = await door.lead()
    handled = await door.do(
        ScheduleTour(uuid4(), lead, at=door.world.now, when=WHEN, source="console")
    )
    assert await door.log() == ["lead.captured", "tour.scheduled", "lead.status_changed"]
    assert handled.token is not None
    assert handled.token.event_id == handled.events[-1][0]
    await door.world.project()
    assert await parked_reasons(door.world.pool) == []
    assert await door.world.count("tours") == 1


async def test_two_commands_racing_on_one_tour_one_wins(door: Door) -> None:
    lead = await door.lead()
    tour = await door.tour(lead)
    outcomes = await asyncio.gather(
        *(door.do(kind(tour, lead)) for kind in (CompleteTour, CancelTour)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["Handled", "Refused"]


async def test_a_race_that_is_lost_is_decided_again_on_what_is_true_then(door: Door) -> None:
    lead = await door.lead()
    await asyncio.gather(*(door.do(NoteLead(lead, f"note {n}")) for n in range(5)))
    assert (await door.log()).count("lead.noted") == 5


async def test_races_that_are_always_lost_end_as_a_conflict(door: Door) -> None:
    lead = await door.lead()

    async def overtaken(uow: UnitOfWork) -> None:
        await uow.do(NoteLead(lead, "mine"))
        await door.do(NoteLead(lead, "theirs"))

    with pytest.raises(Conflict):
        await transact(door.world.pool, door.scope, overtaken)


async def test_a_command_id_is_decided_once_and_answers_the_same(door: Door) -> None:
    lead = await door.lead()
    once = Command(uuid4(), b"note")

    async def work(uow: UnitOfWork) -> dict[str, int]:
        await uow.do(NoteLead(lead, "once"))
        return {"status": 201}

    async def send() -> Handled[dict[str, int]]:
        return await transact(door.world.pool, door.scope, work, once=once)

    answers = await asyncio.gather(*(send() for _ in range(5)))
    assert {answer.token for answer in answers} == {answers[0].token}
    assert all(answer.result == {"status": 201} for answer in answers)
    assert sum(not answer.repeated for answer in answers) == 1
    assert (await door.log()).count("lead.noted") == 1


async def test_a_refusal_is_kept_too(door: Door) -> None:
    lead, once = uuid4(), Command(uuid4(), b"note")
    with pytest.raises(UnknownSubject):
        await door.do(NoteLead(lead, "early"), once)
    await door.do(CaptureLead(lead, Details(email="late@example.com")))
    with pytest.raises(Refused, match="no lead") as caught:
        await door.do(NoteLead(lead, "early"), once)
    assert caught.value.status == 404


async def test_a_command_id_with_another_content_is_refused(door: Door) -> None:
    lead, key = await door.lead(), uuid4()
    await door.do(NoteLead(lead, "one"), Command(key, b"one"))
    with pytest.raises(Refused) as caught:
        await door.do(NoteLead(lead, "two"), Command(key, b"two"))
    assert caught.value.status == 422


async def test_a_command_whose_time_is_over_may_come_anew(door: Door) -> None:
    lead, key = await door.lead(), uuid4()
    long_ago = door.world.now.replace(year=2020)
    await door.do(NoteLead(lead, "one"), Command(key, b"one", long_ago))
    await door.do(NoteLead(lead, "two"), Command(key, b"two", long_ago))
    assert (await door.log()).count("lead.noted") == 2
    async with door.world.pool.acquire() as conn:
        assert await purge(conn) == 1
        assert await purge(conn) == 0


async def test_an_e_mail_belongs_to_one_lead_of_a_property(door: Door) -> None:
    await door.lead(email="ada@example.com")
    with pytest.raises(Refused) as caught:
        await door.do(CaptureLead(uuid4(), Details(email="ada@example.com")))
    assert caught.value.code == "claim_taken"


async def test_junk_never_matches(door: Door) -> None:
    await door.lead(email="test@example.com")
    await door.lead(email="test@example.com")


async def test_a_person_of_nowhere_is_refused_before_it_parks_a_lead(door: Door) -> None:
    lead = await door.lead()
    with pytest.raises(Refused) as caught:
        await door.do(NoteLead(lead, "hi", uuid4()))
    assert caught.value.code == "unknown_profile"


async def test_a_lead_of_another_property_is_not_found(door: Door, pool: asyncpg.Pool) -> None:
    lead = await door.lead()
    other = Door(await make_world(pool))
    with pytest.raises(Refused) as caught:
        await other.do(NoteLead(lead, "hi"))
    assert caught.value.status == 404


async def test_a_proposal_the_core_agrees_with_is_appended_as_it_is(door: Door) -> None:
    lead = uuid4()
    key = uuid4()
    event = LeadCaptured(lead_id=lead, email="eve@example.com", source="Partner")
    assert (await door.propose(event, key)).new == (key,)
    assert (await door.propose(event, key)).known == (key,)
    assert await door.log() == ["lead.captured"]


async def test_what_follows_a_proposal_is_decided_with_it(door: Door) -> None:
    lead = await door.lead()
    event = TourScheduled(
        tour_id=uuid4(), lead_id=lead, **WHEN.said, tour_type=TourType.VIRTUAL, source="partner"
    )
    key = uuid4()
    assert len((await door.propose(event, key)).new) == 4, "its slot, its place, and the lead"
    assert (await door.propose(event, key)).known == (key,)
    assert await door.log() == ["lead.captured", "tour.scheduled", "lead.status_changed"]


async def test_a_proposal_about_nothing_known_says_so(door: Door) -> None:
    with pytest.raises(UnknownSubject):
        await door.propose(TourCompleted(tour_id=uuid4(), lead_id=uuid4()))
    lead = await door.lead()
    with pytest.raises(UnknownSubject):
        await door.propose(TourCompleted(tour_id=uuid4(), lead_id=lead))


async def test_a_proposal_the_core_would_decide_otherwise_is_refused(door: Door) -> None:
    with pytest.raises(Refused, match="email") as caught:
        await door.propose(LeadCaptured(lead_id=uuid4(), email="Eve@Example.com"))
    assert caught.value.code == "disagreed"
    lead = await door.lead()
    said = WHEN.said | {"time_zone": "Europe/Berlin"}
    with pytest.raises(Refused, match="time_zone"):
        await door.propose(TourScheduled(
            tour_id=uuid4(), lead_id=lead, **said, tour_type=TourType.VIRTUAL, source="x"
        ))  # fmt: skip


async def test_a_proposal_that_comes_again_with_another_content_is_refused(door: Door) -> None:
    lead, key = await door.lead(), uuid4()
    await door.propose(LeadStatusChanged(lead_id=lead, status=LeadStatus.CONTACTED), key)
    await door.propose(LeadStatusChanged(lead_id=lead, status=LeadStatus.CONTACTED), key)
    with pytest.raises(Refused) as caught:
        await door.propose(LeadStatusChanged(lead_id=lead, status=LeadStatus.LOST), key)
    assert caught.value.code == "id_reused"


async def test_a_proposal_of_what_is_so_already_is_refused(door: Door) -> None:
    lead = await door.lead()
    tour = await door.tour(lead)
    await door.propose(TourCancelled(tour_id=tour, lead_id=lead))
    with pytest.raises(Refused) as caught:
        await door.propose(TourCancelled(tour_id=tour, lead_id=lead))
    assert caught.value.code == "already_so"


async def test_null_and_absent_are_two_things_in_a_proposed_update(door: Door) -> None:
    lead = await door.lead(first_name="Ada")
    await door.propose(LeadUpdated(lead_id=lead, first_name=None, last_name="L"))
    await door.world.project()
    async with door.world.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT * FROM leads")
    assert row is not None
    assert (row["first_name"], row["last_name"]) == (None, "L")


async def test_a_bots_reply_under_an_older_epoch_is_refused(door: Door) -> None:
    session, conversation = uuid4(), uuid4()
    await door.do(ReceiveMessage(session, conversation, uuid4(), "hello"))
    agent = uuid4()
    async with door.world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
            agent,
            door.world.org_id,
        )
    await door.do(TakeOver(conversation, agent))
    with pytest.raises(Refused) as caught:
        await door.do(Reply(conversation, uuid4(), "hi", epoch=0))
    assert caught.value.code == "stale_epoch"
    with pytest.raises(Refused):
        await door.propose(
            ConversationReplied(
                conversation_id=conversation, message_id=uuid4(), content="hi", epoch=0
            )
        )


async def test_no_change_answers_a_token_of_what_it_relied_on(door: Door) -> None:
    lead = await door.lead()
    first = await door.do(UpdateLead(lead, {"first_name": "Ada"}))
    again = await door.do(UpdateLead(lead, {"first_name": "Ada"}))
    assert again.events == ()
    assert again.token == first.token
    status = await door.do(ChangeStatus(lead, LeadStatus.NEW))
    assert status.token == first.token
