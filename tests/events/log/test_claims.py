"""Claims: uniqueness across streams, in the append's own transaction."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.claims import EMAIL, MERGED, claims_of, move_of, releases_of, value_of
from events.event import Event
from events.leads import LeadErased, LeadMerged, LeadUnmerged, LeadUpdated
from events.log import append as appending
from events.log import claims, read
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
        monkeypatch.setattr(appending, "claim", _claim_nothing)
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
        monkeypatch.setattr(claims, "releases_of", _releases_nothing)
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


async def merge(world: World, loser: UUID, winner: UUID) -> None:
    await world.append(world.new(LeadMerged(loser_id=loser, winner_id=winner)))


async def unmerge(world: World, loser: UUID, winner: UUID) -> None:
    await world.append(world.new(LeadUnmerged(loser_id=loser, winner_id=winner)))


async def three_leads(world: World) -> list[UUID]:
    leads = [uuid4() for _ in range(3)]
    for number, lead in enumerate(leads):
        await world.append(world.new(world.captured(lead, email=f"{number}@example.com")))
    return leads


async def owned(world: World) -> dict[str, UUID]:
    """E-mail address → its owner."""
    names = {value_of(f"{n}@example.com"): f"{n}@example.com" for n in range(10)}
    return {names[value]: owner for kind, _, value, owner in await owners(world) if kind == EMAIL}


async def test_a_merge_gives_the_winner_what_the_loser_is_known_by_until_it_is_taken_back(
    world: World,
) -> None:
    first, second, third = await three_leads(world)
    plain = {"0@example.com": first, "1@example.com": second, "2@example.com": third}
    await merge(world, first, second)
    assert await owned(world) == {**plain, "0@example.com": second}
    await merge(world, second, third)
    assert set((await owned(world)).values()) == {third}
    await unmerge(world, second, third)
    assert await owned(world) == {**plain, "0@example.com": second}
    await merge(world, second, third)
    await unmerge(world, first, second)
    assert await owned(world) == {**plain, "1@example.com": third}
    await unmerge(world, second, third)
    assert await owned(world) == plain


async def test_what_a_winner_was_given_is_not_let_go_with_its_own(world: World) -> None:
    first, second, _ = await three_leads(world)
    await merge(world, first, second)
    await world.append(world.new(LeadUpdated(lead_id=second, email="0@example.com")))
    await world.append(world.new(LeadUpdated(lead_id=second, email="7@example.com")))
    assert {key for key, owner in (await owned(world)).items() if owner == second} == {
        "0@example.com", "7@example.com",
    }  # fmt: skip
    await unmerge(world, first, second)
    assert (await owned(world))["0@example.com"] == first


async def test_what_a_winner_was_given_ends_with_the_loser_that_holds_it(world: World) -> None:
    first, second, _ = await three_leads(world)
    await merge(world, first, second)
    await world.append(world.new(LeadErased(lead_id=first)))
    assert "0@example.com" not in await owned(world)
    await world.append(world.new(world.captured(email="0@example.com")))


async def test_claims_said_before_and_after_a_merge_of_one_append_are_kept_apart(
    world: World,
) -> None:
    first, second, _ = await three_leads(world)
    await world.append(
        world.new(LeadUpdated(lead_id=first, email="5@example.com")),
        world.new(LeadMerged(loser_id=first, winner_id=second)),
        world.new(LeadUpdated(lead_id=second, email="5@example.com")),
    )
    assert (await owned(world))["5@example.com"] == second
    assert "1@example.com" not in await owned(world)
    await unmerge(world, first, second)
    assert (await owned(world))["5@example.com"] == first


async def test_claims_can_be_derived_again_from_the_log(world: World) -> None:
    leads = [uuid4() for _ in range(7)]
    for number, lead in enumerate(leads):
        captured = world.captured(lead, email=f"{number}@example.com", phone=f"+1555000000{number}")
        await world.append(world.new(captured))
    await world.append(world.new(LeadUpdated(lead_id=leads[0], email="moved@example.com")))
    await world.append(world.new(LeadUpdated(lead_id=leads[1], email=None)))
    await world.append(world.new(LeadErased(lead_id=leads[2])))
    await merge(world, leads[3], leads[4])
    await merge(world, leads[4], leads[5])
    await world.append(world.new(LeadUpdated(lead_id=leads[4], email="late@example.com")))
    await world.append(world.new(LeadUpdated(lead_id=leads[5], phone=None)))
    await merge(world, leads[0], leads[6])
    await unmerge(world, leads[0], leads[6])
    assert await owners(world) == await derived(world, leads)


async def derived(world: World, leads: list[UUID]) -> set[tuple[str, UUID, str, UUID]]:
    """What the claims come to, from the log alone: who holds what, and whose that is then."""
    holders: dict[tuple[str, UUID, UUID], str] = {}
    into: dict[UUID, UUID] = {}
    async with world.pool.acquire() as conn:
        recorded_events = await read.streams(conn, [Stream("lead", lead) for lead in leads])
    for recorded in recorded_events:
        event, scope = recorded.event, recorded.property_id or recorded.org_id
        assert isinstance(event, Event)
        for kind, owner in releases_of(event):
            holders.pop((kind, scope, owner), None)
        for claim in claims_of(event):
            holders[claim.kind, scope, claim.owner] = claim.value
        if move := move_of(event):
            into.pop(move.loser, None)
            if not move.back:
                into[move.loser] = move.winner
    found = set()
    for loser in into:
        holders[MERGED, world.properties[0], loser] = str(loser)
    for (kind, scope, holder), value in holders.items():
        owner = holder
        while owner in into:
            owner = into[owner]
        found.add((kind, scope, value, owner))
    return found
