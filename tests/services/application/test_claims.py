"""Claims of e-mail addresses: a released address goes to one other lead."""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.claims import EMAIL
from events.leads import LeadUpdated
from events.record import Cause
from services.application.command_handler import transact
from services.application.decided_events import handle_decided_event
from services.application.leads import capture_lead, find_contact_owners
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.leads import CaptureLead, Details, UpdateLead
from tests.commands import handle_command
from tests.world import World, make_world

ADA = "ada@example.com"


@dataclass
class ContactHarness:
    """Commands about contact details in one property."""

    world: World

    @property
    def scope(self) -> Scope:
        return Scope(self.world.org_id, self.world.properties[0], self.world.tick(), Cause("test"))

    async def lead(self, email: str) -> UUID:
        lead = uuid4()
        await handle_command(self.world.pool, self.scope, CaptureLead(lead, Details(email=email)))
        return lead

    async def update(self, lead: UUID, email: str | None) -> None:
        await handle_command(self.world.pool, self.scope, UpdateLead(lead, {"email": email}))

    async def send(self, lead: UUID, email: str | None) -> None:
        scope = self.scope
        await handle_decided_event(
            self.world.pool, LeadUpdated(lead_id=lead, email=email), event_id=uuid4(),
            org_id=scope.org_id, property_id=scope.property_id, occurred_at=scope.at,
            cause=scope.cause,
        )  # fmt: skip

    async def capture(self, details: Details) -> UUID:
        async def work(uow: UnitOfWork) -> UUID:
            return await capture_lead(uow, details, lead_id=uuid4())

        return (await transact(self.world.pool, self.scope, work)).result

    async def owner_of(self, email: str) -> UUID | None:
        async def work(uow: UnitOfWork) -> UUID | None:
            return (await find_contact_owners(uow, email, None)).email

        return (await transact(self.world.pool, self.scope, work)).result

    async def count_addresses(self) -> int:
        return await self.world.count(f"crm.claims WHERE kind = '{EMAIL}'")


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> ContactHarness:
    return ContactHarness(await make_world(pool))


@pytest.mark.parametrize("new_address", [None, "", "new@example.com"])
async def test_a_released_address_can_be_claimed_by_another_lead(
    harness: ContactHarness, new_address: str | None
) -> None:
    ada, eve = await harness.lead(ADA), await harness.lead("eve@example.com")
    with pytest.raises(Refused):
        await harness.update(eve, ADA)
    await harness.update(ada, new_address)
    await harness.update(eve, ADA)
    assert await harness.owner_of(ADA) == eve
    assert await harness.owner_of("eve@example.com") is None
    assert await harness.count_addresses() == (2 if new_address else 1)
    with pytest.raises(Refused):
        await harness.update(ada, ADA)


async def test_a_producer_can_release_an_address(harness: ContactHarness) -> None:
    ada, eve = await harness.lead(ADA), await harness.lead("eve@example.com")
    await harness.send(ada, None)
    await harness.send(eve, ADA)
    assert await harness.owner_of(ADA) == eve
    with pytest.raises(Refused) as caught:
        await harness.send(ada, ADA)
    assert caught.value.code == "known_lead"


async def test_a_visitor_with_a_released_address_becomes_a_new_lead(
    harness: ContactHarness,
) -> None:
    ada = await harness.lead(ADA)
    assert await harness.capture(Details(email=ADA)) == ada
    await harness.update(ada, None)
    new = await harness.capture(Details(email=ADA))
    assert new != ada
    assert await harness.capture(Details(email=ADA)) == new


async def test_of_two_concurrent_claims_of_a_released_address_one_succeeds(
    harness: ContactHarness,
) -> None:
    ada = await harness.lead(ADA)
    rivals = [await harness.lead(f"{n}@example.com") for n in range(2)]
    await harness.update(ada, None)
    outcomes = await asyncio.gather(
        *(harness.update(rival, ADA) for rival in rivals), return_exceptions=True
    )
    winners = [rival for rival, outcome in zip(rivals, outcomes, strict=True) if outcome is None]
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [Refused]
    assert winners == [await harness.owner_of(ADA)]
    assert await harness.count_addresses() == 2, "the refused lead keeps its address"


async def test_an_address_never_has_two_owners_when_it_is_released_and_claimed_at_once(
    harness: ContactHarness,
) -> None:
    ada = await harness.lead(ADA)
    for _ in range(5):
        rivals = [await harness.lead(f"{uuid4()}@example.com") for _ in range(4)]
        outcomes = await asyncio.gather(
            harness.update(ada, f"{uuid4()}@example.com"),
            *(harness.update(rival, ADA) for rival in rivals),
            return_exceptions=True,
        )
        assert outcomes[0] is None
        winners = [
            rival for rival, outcome in zip(rivals, outcomes[1:], strict=True) if outcome is None
        ]
        owner = await harness.owner_of(ADA)
        assert winners == ([] if owner is None else [owner])
        ada = owner or rivals[0]
        await harness.update(ada, ADA)
