"""Claims: unique values across streams, written in the transaction of the append."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.claims import EMAIL, MERGED, claims_of, contact_value, move_of, releases_of, slug_value
from events.event import Event
from events.keys.ring import current_ring
from events.leads import LeadErased, LeadUpdated
from events.log import claims as claim_rows
from events.log import read, state_rows
from events.log.errors import ClaimTaken
from events.merges import LeadMerged, LeadUnmerged
from events.record import Stream
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


async def owners(world: World) -> set[tuple[str, UUID, str, UUID]]:
    async with world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT kind, scope, value, owner FROM crm.claims")
    return {(row["kind"], row["scope"], row["value"], row["owner"]) for row in rows}


async def test_an_email_belongs_to_one_lead_of_a_property(world: World) -> None:
    await world.append(world.new(world.captured(email="ada@example.com")))
    with pytest.raises(ClaimTaken):
        await world.append(world.new(world.captured(email=" ADA@Example.com ")))
    other_property = world.new(world.captured(email="ada@example.com"),
                               property_id=world.properties[1])  # fmt: skip
    assert (await world.append(other_property)).new
    assert await world.count("crm_events WHERE event_type = 'lead.captured'") == 2


async def test_two_leads_of_one_append_cannot_have_the_same_email(world: World) -> None:
    with pytest.raises(ClaimTaken):
        await world.append(world.new(world.captured()), world.new(world.captured()))


@pytest.mark.parametrize("protected", [True, False])
async def test_one_of_twenty_concurrent_leads_gets_an_email(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(state_rows, "update_claims", _claim_nothing)
    appends = [world.append(world.new(world.captured())) for _ in range(20)]
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(refused) == (19 if protected else 0)
    assert all(isinstance(error, ClaimTaken) for error in refused)


async def _claim_nothing(*_: object) -> None: ...


async def test_a_new_email_releases_the_old_one(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    await world.append(world.new(LeadUpdated(lead_id=lead, email="new@example.com")))
    assert (await world.append(world.new(world.captured()))).new
    with pytest.raises(ClaimTaken):
        await world.append(world.new(world.captured(email="new@example.com")))


@pytest.mark.parametrize(
    "ending",
    [
        LeadUpdated(lead_id=uuid4(), email=None),
        LeadUpdated(lead_id=uuid4(), email=""),
        LeadUpdated(lead_id=uuid4(), email="noreply@example.com"),
        LeadErased(lead_id=uuid4(), reason="request"),
    ],
    ids=["null", "empty", "junk", "erased"],
)
@pytest.mark.parametrize("protected", [True, False])
async def test_an_email_that_a_lead_lost_is_free(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool, ending: LeadUpdated | LeadErased
) -> None:
    if not protected:
        monkeypatch.setattr(claim_rows, "releases_of", _releases_nothing)
    await world.append(world.new(world.captured(ending.lead_id)))
    await world.append(world.new(ending))
    if protected:
        assert (await world.append(world.new(world.captured()))).new
    else:
        with pytest.raises(ClaimTaken):
            await world.append(world.new(world.captured()))


def _releases_nothing(_: Event) -> list[tuple[str, UUID]]:
    return []


async def test_an_update_of_other_fields_keeps_the_claims(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead, phone="+12125550123")))
    before = await owners(world)
    await world.append(world.new(LeadUpdated(lead_id=lead, first_name="Eve")))
    await world.append(world.new(LeadUpdated(lead_id=lead, email="ADA@example.com")))
    assert await owners(world) == before
    await world.append(world.new(LeadUpdated(lead_id=lead, phone=None)))
    assert {kind for kind, *_ in await owners(world)} == {"lead.email"}


async def test_the_last_of_several_events_of_one_append_decides(world: World) -> None:
    first, second = uuid4(), uuid4()
    await world.append(
        world.new(world.captured(first)),
        world.new(LeadUpdated(lead_id=first, email="new@example.com")),
        world.new(LeadUpdated(lead_id=first, email=None)),
        world.new(world.captured(second)),
    )
    assert {owner for _, _, _, owner in await owners(world)} == {second}


async def test_a_shared_phone_number_stays_with_the_first_lead(world: World) -> None:
    first, second = uuid4(), uuid4()
    for lead in (first, second):
        await world.append(world.new(world.captured(lead, email=None, phone="+12125550123")))
    assert {(kind, owner) for kind, _, _, owner in await owners(world)} == {("lead.phone", first)}


async def test_nobody_without_the_key_can_compare_a_claim_with_an_email(world: World) -> None:
    await world.append(world.new(world.captured(email="ada@example.com")))
    key = await current_ring().contact_key(world.pool)
    values = {value for _, _, value, _ in await owners(world)}
    assert values == {contact_value("ada@example.com", key)}
    assert values.isdisjoint({contact_value("ada@example.com", b""), slug_value("ada@example.com")})


async def merge(world: World, loser: UUID, winner: UUID) -> None:
    await world.append(world.new(LeadMerged(loser_id=loser, winner_id=winner)))


async def unmerge(world: World, loser: UUID, winner: UUID) -> None:
    await world.append(world.new(LeadUnmerged(loser_id=loser, winner_id=winner)))


async def three_leads(world: World) -> list[UUID]:
    leads = [uuid4() for _ in range(3)]
    for number, lead in enumerate(leads):
        await world.append(world.new(world.captured(lead, email=f"{number}@example.com")))
    return leads


async def email_owners(world: World) -> dict[str, UUID]:
    """Return e-mail address → its owner."""
    key = await current_ring().contact_key(world.pool)
    addresses = {contact_value(f"{n}@example.com", key): f"{n}@example.com" for n in range(10)}
    return {
        addresses[value]: owner for kind, _, value, owner in await owners(world) if kind == EMAIL
    }


async def test_a_merge_transfers_the_claims_of_the_loser_and_an_unmerge_returns_them(
    world: World,
) -> None:
    first, second, third = await three_leads(world)
    own = {"0@example.com": first, "1@example.com": second, "2@example.com": third}
    await merge(world, first, second)
    assert await email_owners(world) == {**own, "0@example.com": second}
    await merge(world, second, third)
    assert set((await email_owners(world)).values()) == {third}
    await unmerge(world, second, third)
    assert await email_owners(world) == {**own, "0@example.com": second}
    await merge(world, second, third)
    await unmerge(world, first, second)
    assert await email_owners(world) == {**own, "1@example.com": third}
    await unmerge(world, second, third)
    assert await email_owners(world) == own


async def test_a_winner_that_changes_its_email_keeps_the_transferred_ones(world: World) -> None:
    first, second, _ = await three_leads(world)
    await merge(world, first, second)
    await world.append(world.new(LeadUpdated(lead_id=second, email="0@example.com")))
    await world.append(world.new(LeadUpdated(lead_id=second, email="7@example.com")))
    assert {key for key, owner in (await email_owners(world)).items() if owner == second} == {
        "0@example.com", "7@example.com",
    }  # fmt: skip
    await unmerge(world, first, second)
    assert (await email_owners(world))["0@example.com"] == first


async def test_a_transferred_email_is_free_when_the_loser_is_erased(world: World) -> None:
    first, second, _ = await three_leads(world)
    await merge(world, first, second)
    await world.append(world.new(LeadErased(lead_id=first, reason="request")))
    assert "0@example.com" not in await email_owners(world)
    await world.append(world.new(world.captured(email="0@example.com")))


async def test_claims_before_and_after_a_merge_in_one_append_are_separate(
    world: World,
) -> None:
    first, second, _ = await three_leads(world)
    await world.append(
        world.new(LeadUpdated(lead_id=first, email="5@example.com")),
        world.new(LeadMerged(loser_id=first, winner_id=second)),
        world.new(LeadUpdated(lead_id=second, email="5@example.com")),
    )
    assert (await email_owners(world))["5@example.com"] == second
    assert "1@example.com" not in await email_owners(world)
    await unmerge(world, first, second)
    assert (await email_owners(world))["5@example.com"] == first


async def test_claims_can_be_derived_from_the_log(world: World) -> None:
    leads = [uuid4() for _ in range(7)]
    for number, lead in enumerate(leads):
        captured = world.captured(lead, email=f"{number}@example.com", phone=f"+1212555000{number}")
        await world.append(world.new(captured))
    await world.append(world.new(LeadUpdated(lead_id=leads[0], email="moved@example.com")))
    await world.append(world.new(LeadUpdated(lead_id=leads[1], email=None)))
    await world.append(world.new(LeadErased(lead_id=leads[2], reason="request")))
    await merge(world, leads[3], leads[4])
    await merge(world, leads[4], leads[5])
    await world.append(world.new(LeadUpdated(lead_id=leads[4], email="late@example.com")))
    await world.append(world.new(LeadUpdated(lead_id=leads[5], phone=None)))
    await merge(world, leads[0], leads[6])
    await unmerge(world, leads[0], leads[6])
    assert await owners(world) == await derived(world, leads)


async def derived(world: World, leads: list[UUID]) -> set[tuple[str, UUID, str, UUID]]:
    """Derive the claims from the log alone: their makers first, then the owners after merges."""
    values: dict[tuple[str, UUID, UUID], str] = {}
    winners: dict[UUID, UUID] = {}
    key = await current_ring().contact_key(world.pool)
    async with world.pool.acquire() as conn:
        recorded_events = await read.streams(conn, [Stream("lead", lead) for lead in leads])
    for recorded in recorded_events:
        event, scope = recorded.event, recorded.property_id or recorded.org_id
        assert isinstance(event, Event)
        for kind, owner in releases_of(event):
            values.pop((kind, scope, owner), None)
        for claim in claims_of(event, key):
            values[claim.kind, scope, claim.owner] = claim.value
        if move := move_of(event):
            winners.pop(move.loser, None)
            if not move.back:
                winners[move.loser] = move.winner
    claims = set()
    for loser in winners:
        values[MERGED, world.properties[0], loser] = str(loser)
    for (kind, scope, maker), value in values.items():
        owner = maker
        while owner in winners:
            owner = winners[owner]
        claims.add((kind, scope, value, owner))
    return claims
