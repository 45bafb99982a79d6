"""Claims: uniqueness across streams, in the append's own transaction."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.claims import claims_of, releases_of
from events.event import Event
from events.leads import LeadErased, LeadUpdated
from events.log import append as appending
from events.log import read
from events.log.errors import ClaimTaken
from events.record import Stream
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


async def owners(world: World) -> set[tuple[str, UUID, str, UUID]]:
    async with world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT kind, scope, value, owner FROM crm.claims")
    return {(row["kind"], row["scope"], row["value"], row["owner"]) for row in rows}


async def test_an_address_belongs_to_one_lead_of_a_property(world: World) -> None:
    await world.append(world.new(world.captured(email="ada@example.com")))
    with pytest.raises(ClaimTaken):
        await world.append(world.new(world.captured(email=" ADA@Example.com ")))
    other_house = world.new(world.captured(email="ada@example.com"),
                            property_id=world.properties[1])  # fmt: skip
    assert (await world.append(other_house)).new
    assert await world.count("crm_events WHERE event_type = 'lead.captured'") == 2


async def test_two_leads_of_one_append_cannot_share_an_address(world: World) -> None:
    with pytest.raises(ClaimTaken):
        await world.append(world.new(world.captured()), world.new(world.captured()))


@pytest.mark.parametrize("protected", [True, False])
async def test_of_twenty_that_race_for_an_address_one_gets_it(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(appending, "_claim", _claim_nothing)
    tries = [world.append(world.new(world.captured())) for _ in range(20)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    won = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert len(won) == (1 if protected else 20)
    assert all(isinstance(one, ClaimTaken) for one in outcomes if one not in won)


async def _claim_nothing(*_: object) -> None: ...


async def test_a_new_address_lets_the_old_one_go(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    await world.append(world.new(LeadUpdated(lead_id=lead, email="new@example.com")))
    assert (await world.append(world.new(world.captured()))).new
    with pytest.raises(ClaimTaken):
        await world.append(world.new(world.captured(email="new@example.com")))


@pytest.mark.parametrize(
    "gone",
    [
        LeadUpdated(lead_id=uuid4(), email=None),
        LeadUpdated(lead_id=uuid4(), email=""),
        LeadUpdated(lead_id=uuid4(), email="noreply@example.com"),
        LeadErased(lead_id=uuid4()),
    ],
    ids=["null", "empty", "junk", "erased"],
)
@pytest.mark.parametrize("protected", [True, False])
async def test_an_address_that_is_gone_is_free(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool, gone: LeadUpdated | LeadErased
) -> None:
    if not protected:
        monkeypatch.setattr(appending, "releases_of", _releases_nothing)
    await world.append(world.new(world.captured(gone.lead_id)))
    await world.append(world.new(gone))
    if protected:
        assert (await world.append(world.new(world.captured()))).new
    else:
        with pytest.raises(ClaimTaken):
            await world.append(world.new(world.captured()))


def _releases_nothing(_: Event) -> list[tuple[str, UUID]]:
    return []


async def test_what_an_update_does_not_speak_of_is_kept(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead, phone="+15551234567")))
    before = await owners(world)
    await world.append(world.new(LeadUpdated(lead_id=lead, first_name="Eve")))
    await world.append(world.new(LeadUpdated(lead_id=lead, email="ADA@example.com")))
    assert await owners(world) == before
    await world.append(world.new(LeadUpdated(lead_id=lead, phone=None)))
    assert {kind for kind, *_ in await owners(world)} == {"lead.email"}


async def test_of_several_facts_of_one_append_the_last_counts(world: World) -> None:
    first, second = uuid4(), uuid4()
    await world.append(
        world.new(world.captured(first)),
        world.new(LeadUpdated(lead_id=first, email="new@example.com")),
        world.new(LeadUpdated(lead_id=first, email=None)),
        world.new(world.captured(second)),
    )
    assert {owner for _, _, _, owner in await owners(world)} == {second}


async def test_a_phone_number_may_be_shared_and_stays_the_firsts(world: World) -> None:
    first, second = uuid4(), uuid4()
    for lead in (first, second):
        await world.append(world.new(world.captured(lead, email=None, phone="+15551234567")))
    assert {(kind, owner) for kind, _, _, owner in await owners(world)} == {("lead.phone", first)}


async def test_a_claim_holds_no_address_in_clear(world: World) -> None:
    await world.append(world.new(world.captured(email="ada@example.com")))
    assert all("ada" not in value for _, _, value, _ in await owners(world))


async def test_claims_can_be_derived_again_from_the_log(world: World) -> None:
    leads = [uuid4() for _ in range(4)]
    for number, lead in enumerate(leads):
        captured = world.captured(lead, email=f"{number}@example.com", phone=f"+1555000000{number}")
        await world.append(world.new(captured))
    await world.append(world.new(LeadUpdated(lead_id=leads[0], email="moved@example.com")))
    await world.append(world.new(LeadUpdated(lead_id=leads[1], email=None)))
    await world.append(world.new(LeadErased(lead_id=leads[2])))
    derived: dict[tuple[str, UUID, UUID], str] = {}
    async with world.pool.acquire() as conn:
        for fact in await read.streams(conn, [Stream("lead", lead) for lead in leads]):
            scope = fact.property_id or fact.org_id
            for kind, owner in releases_of(fact.event):  # type: ignore[arg-type]
                derived.pop((kind, scope, owner), None)
            for claim in claims_of(fact.event):  # type: ignore[arg-type]
                derived[claim.kind, scope, claim.owner] = claim.value
    assert await owners(world) == {
        (kind, scope, value, owner) for (kind, scope, owner), value in derived.items()
    }
