"""A lead that gives up its e-mail address lets others have it, one of them."""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.claims import EMAIL
from events.leads import LeadUpdated
from events.record import Cause
from services.application.command_handler import handle, transact
from services.application.decided_events import handle_proposal
from services.application.leads import capture
from services.application.unit_of_work import Scope, UnitOfWork
from services.deciders.decider import Refused
from services.deciders.leads import CaptureLead, Details, UpdateLead
from tests.world import World, make_world

ADA = "ada@example.com"


@dataclass
class HostProperty:
    """The handler in one property."""

    world: World

    @property
    def scope(self) -> Scope:
        return Scope(self.world.org_id, self.world.properties[0], self.world.tick(), Cause("test"))

    async def lead(self, email: str) -> UUID:
        lead = uuid4()
        await handle(self.world.pool, self.scope, CaptureLead(lead, Details(email=email)))
        return lead

    async def update(self, lead: UUID, email: str | None) -> None:
        await handle(self.world.pool, self.scope, UpdateLead(lead, {"email": email}))

    async def propose(self, lead: UUID, email: str | None) -> None:
        scope = self.scope
        await handle_proposal(
            self.world.pool, LeadUpdated(lead_id=lead, email=email), event_id=uuid4(),
            org_id=scope.org_id, property_id=scope.property_id, occurred_at=scope.at,
            cause=scope.cause,
        )  # fmt: skip

    async def captured(self, details: Details) -> UUID:
        async def work(uow: UnitOfWork) -> UUID:
            return await capture(uow, details, lead_id=uuid4())

        return (await transact(self.world.pool, self.scope, work)).result

    async def owner_of(self, email: str) -> UUID | None:
        async def work(uow: UnitOfWork) -> UUID | None:
            return (await uow.owner_of_contact(email, None)).email

        return (await transact(self.world.pool, self.scope, work)).result

    async def addresses(self) -> int:
        return await self.world.count(f"crm.claims WHERE kind = '{EMAIL}'")


@pytest.fixture
async def host_property(pool: asyncpg.Pool) -> HostProperty:
    return HostProperty(await make_world(pool))


@pytest.mark.parametrize("instead", [None, "", "new@example.com"])
async def test_an_address_that_was_given_up_is_anothers_to_take(
    host_property: HostProperty, instead: str | None
) -> None:
    ada, eve = await host_property.lead(ADA), await host_property.lead("eve@example.com")
    with pytest.raises(Refused):
        await host_property.update(eve, ADA)
    await host_property.update(ada, instead)
    await host_property.update(eve, ADA)
    assert await host_property.owner_of(ADA) == eve
    assert await host_property.owner_of("eve@example.com") is None
    assert await host_property.addresses() == (2 if instead else 1)
    with pytest.raises(Refused):
        await host_property.update(ada, ADA)


async def test_a_producer_may_say_that_an_address_is_gone(host_property: HostProperty) -> None:
    ada, eve = await host_property.lead(ADA), await host_property.lead("eve@example.com")
    await host_property.propose(ada, None)
    await host_property.propose(eve, ADA)
    assert await host_property.owner_of(ADA) == eve
    with pytest.raises(Refused) as caught:
        await host_property.propose(ada, ADA)
    assert caught.value.code == "known_lead"


async def test_who_leaves_an_address_that_was_given_up_is_somebody_new(
    host_property: HostProperty,
) -> None:
    ada = await host_property.lead(ADA)
    assert await host_property.captured(Details(email=ADA)) == ada
    await host_property.update(ada, None)
    somebody = await host_property.captured(Details(email=ADA))
    assert somebody != ada
    assert await host_property.captured(Details(email=ADA)) == somebody


async def test_of_two_that_race_for_a_freed_address_one_gets_it(
    host_property: HostProperty,
) -> None:
    ada = await host_property.lead(ADA)
    rivals = [await host_property.lead(f"{n}@example.com") for n in range(2)]
    await host_property.update(ada, None)
    outcomes = await asyncio.gather(
        *(host_property.update(rival, ADA) for rival in rivals), return_exceptions=True
    )
    won = [rival for rival, told in zip(rivals, outcomes, strict=True) if told is None]
    assert [type(told) for told in outcomes if told is not None] == [Refused]
    assert won == [await host_property.owner_of(ADA)]
    assert await host_property.addresses() == 2, "who lost has the address it had"


async def test_an_address_has_one_owner_while_it_is_given_up_and_taken_at_once(
    host_property: HostProperty,
) -> None:
    ada = await host_property.lead(ADA)
    for _ in range(5):
        rivals = [await host_property.lead(f"{uuid4()}@example.com") for _ in range(4)]
        outcomes = await asyncio.gather(
            host_property.update(ada, f"{uuid4()}@example.com"),
            *(host_property.update(rival, ADA) for rival in rivals),
            return_exceptions=True,
        )
        assert outcomes[0] is None
        won = [rival for rival, told in zip(rivals, outcomes[1:], strict=True) if told is None]
        owner = await host_property.owner_of(ADA)
        assert won == ([] if owner is None else [owner])
        ada = owner or rivals[0]
        await host_property.update(ada, ADA)
