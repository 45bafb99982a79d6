"""Commands on remembered streams decide on the present state, as if the streams were read."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from events.leads import LeadErased, LeadStatus
from events.log import read
from events.record import RecordedEvent, Stream
from services.application.command_handler import transact
from services.application.stream_cache import MAX_EVENTS, MAX_STREAM_EVENTS, StreamCache
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads
from services.deciders.decider import Refused
from services.deciders.leads import ChangeStatus, Lead, NoteLead
from tests.services.application.test_command_handler import CommandHarness
from tests.world import make_world


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> CommandHarness:
    return CommandHarness(await make_world(pool))


@pytest.fixture
def cache() -> StreamCache:
    return StreamCache()


async def execute(harness: CommandHarness, cache: StreamCache, command: object) -> list[str]:
    """Execute a command as a process with this cache does; return the types of its events."""

    async def work(uow: UnitOfWork) -> None:
        await uow.execute(command)

    result = await transact(harness.world.pool, harness.scope, work, is_plain=True, cache=cache)
    return [event.name for _, event in result.events]


async def load(harness: CommandHarness, cache: StreamCache | None, lead: UUID) -> Lead:
    async with harness.world.pool.acquire() as conn:
        uow = UnitOfWork(conn, harness.scope, None, cache)  # type: ignore[arg-type]
        return await uow.load(leads.decider, lead)


def remembered(
    harness: CommandHarness, cache: StreamCache, lead: UUID
) -> tuple[RecordedEvent, ...]:
    return tuple(cache.find(harness.scope, Stream("lead", lead)))


async def test_a_remembered_stream_has_the_events_and_the_state_of_the_log(
    harness: CommandHarness, cache: StreamCache
) -> None:
    lead = await harness.lead()
    for number in range(3):
        await execute(harness, cache, NoteLead(lead, f"note {number}"))
        await execute(harness, cache, ChangeStatus(lead, list(LeadStatus)[number + 1]))
        async with harness.world.pool.acquire() as conn:
            log = await read.streams(conn, [Stream("lead", lead)])
        assert [(one.id, one.version, one.event) for one in log] == [
            (one.id, one.version, one.event) for one in remembered(harness, cache, lead)
        ]
        assert await load(harness, cache, lead) == await load(harness, None, lead)


async def test_a_command_on_a_stream_that_another_process_continued_is_decided_again(
    harness: CommandHarness, cache: StreamCache
) -> None:
    lead = await harness.lead()
    await execute(harness, cache, ChangeStatus(lead, LeadStatus.CONTACTED))
    await harness.execute(ChangeStatus(lead, LeadStatus.TOUR_BOOKED))
    await execute(harness, cache, NoteLead(lead, "quiet"))
    assert (await load(harness, cache, lead)).status is LeadStatus.TOUR_BOOKED


async def test_nothing_to_do_is_not_concluded_from_a_remembered_stream(
    harness: CommandHarness, cache: StreamCache
) -> None:
    lead = await harness.lead()
    command = ChangeStatus(lead, LeadStatus.CONTACTED)
    assert await execute(harness, cache, command) == ["lead.status_changed"]
    await harness.execute(ChangeStatus(lead, LeadStatus.TOUR_BOOKED))
    assert await execute(harness, cache, command) == ["lead.status_changed"]
    assert await execute(harness, cache, command) == []


async def test_a_refusal_is_not_concluded_from_a_remembered_stream(
    harness: CommandHarness, cache: StreamCache
) -> None:
    lead = await harness.lead()
    await execute(harness, cache, ChangeStatus(lead, LeadStatus.CONTACTED))
    await harness.execute(ChangeStatus(lead, LeadStatus.TOUR_BOOKED))

    async def refuse_contacted(uow: UnitOfWork) -> LeadStatus:
        status = (await uow.load(leads.decider, lead)).status
        if status is LeadStatus.CONTACTED:
            raise Refused("contacted", "the lead was contacted")
        return status

    result = await transact(
        harness.world.pool, harness.scope, refuse_contacted, is_plain=True, cache=cache
    )
    assert result.result is LeadStatus.TOUR_BOOKED


async def test_a_command_for_a_remembered_lead_that_was_erased_is_refused(
    harness: CommandHarness, cache: StreamCache
) -> None:
    lead = await harness.lead()
    await execute(harness, cache, NoteLead(lead, "quiet"))
    assert remembered(harness, cache, lead)
    await harness.world.append(harness.world.new(LeadErased(lead_id=lead, reason="request")))
    with pytest.raises(Refused, match="erased"):
        await execute(harness, cache, NoteLead(lead, "loud"))
    assert not remembered(harness, cache, lead)


async def test_a_stream_is_remembered_for_the_scope_that_read_it_only(
    harness: CommandHarness, cache: StreamCache
) -> None:
    lead = await harness.lead()
    await execute(harness, cache, NoteLead(lead, "quiet"))
    other = CommandHarness(await make_world(harness.world.pool))
    assert remembered(harness, cache, lead)
    assert not remembered(other, cache, lead)


async def test_a_stream_is_forgotten_after_the_lifespan_of_what_was_read(
    harness: CommandHarness,
) -> None:
    lead, cache = await harness.lead(), StreamCache(lifespan_seconds=0)
    await execute(harness, cache, NoteLead(lead, "quiet"))
    assert not remembered(harness, cache, lead)


async def test_the_number_of_remembered_events_is_limited(
    harness: CommandHarness, cache: StreamCache
) -> None:
    lead = await harness.lead()
    async with harness.world.pool.acquire() as conn:
        [recorded] = await read.streams(conn, [Stream("lead", lead)])
    fitting = [recorded] * MAX_STREAM_EVENTS
    keys = [uuid4() for _ in range(MAX_EVENTS // MAX_STREAM_EVENTS + 1)]
    for key in keys:
        cache.store(harness.scope, {Stream("lead", key): fitting}, {})
    assert not remembered(harness, cache, keys[0])
    assert all(remembered(harness, cache, key) for key in keys[1:])
    cache.store(harness.scope, {Stream("lead", keys[-1]): [*fitting, recorded]}, {})
    cache.store(harness.scope, {Stream("lead", lead): [*fitting, recorded]}, {})
    assert not remembered(harness, cache, lead)
