"""The follower of events on the embedded broker: what it writes, and where it reads on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from events.keys.errors import DataKeyMissing
from events.leads import LeadErased
from events.log.generation import begin_generation
from projections.engine.checkpoints import FencingError
from services.event_follower.follow import follow, forget
from services.event_follower.subscription import GenerationEnded, Subscription, TypesChanged
from services.relay import relay
from services.runtime.reachability import UnreachableServer
from services.runtime.settings import Settings
from tests.conftest import until
from tests.events.keys.loaded_keys import forget_keys
from tests.races.processes import (
    events_topic,
    is_bus_complete,
    load_bus_positions,
    recreate_topic,
    run_processes,
)
from tests.security.forgery import WITHOUT_KEY, make_attacker
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


@pytest.fixture
async def relayed(kafka_settings: Settings, world: World) -> AsyncIterator[Settings]:
    """Run a relay for the world; yield its settings."""
    async with run_processes(kafka_settings, relay.work):
        await until(lambda: is_bus_complete(kafka_settings, world.pool))
        yield kafka_settings


class Output:
    """The lines of one run of a follower; `run` ends it at the present end of the log."""

    def __init__(self, settings: Settings, subscription: Subscription) -> None:
        self.settings, self.subscription = settings, subscription
        self.chunks: list[bytes] = []

    async def run(self, *, from_head: bool = False, once: bool = True) -> int:
        return await follow(
            self.settings, self.subscription, self.chunks.append, asyncio.Event(),
            from_head=from_head, once=once,
        )  # fmt: skip

    @property
    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for chunk in self.chunks for line in chunk.splitlines()]

    @property
    def leads(self) -> list[UUID]:
        return [UUID(e["leadid"]) for e in self.events if e["type"] == "lead.captured"]


async def add_lead(world: World, number: int = 0, **details: Any) -> UUID:
    """Append a lead of one of the properties; return its id."""
    lead = uuid4()
    captured = world.captured(lead, email=f"{lead}@example.com", **details)
    property_id = world.properties[number % len(world.properties)]
    await world.append(world.new(captured, property_id=property_id))
    return lead


async def test_events_of_one_organisation_are_written_once_in_clear(
    relayed: Settings, world: World
) -> None:
    other = await make_world(world.pool)
    leads = [await add_lead(world, n, first_name="Ada") for n in range(4)]
    await add_lead(other)
    await until(lambda: is_bus_complete(relayed, world.pool))
    output = Output(relayed, Subscription("test", world.org_id))
    await output.run()
    assert set(output.leads) == set(leads)
    assert {event["orgid"] for event in output.events} == {str(world.org_id)}
    [captured] = [event for event in output.events if event.get("leadid") == str(leads[0])]
    assert (captured["data"]["first_name"], captured["erased"]) == ("Ada", False)
    accounts = await world.pool.fetch("SELECT reader, org_id, event_ids FROM crm.payload_reads")
    assert {(row["reader"], row["org_id"]) for row in accounts} == {("consumer:test", world.org_id)}
    counted = {event_id for row in accounts for event_id in row["event_ids"]}
    assert UUID(captured["id"]) in counted
    again = Output(relayed, output.subscription)
    later = await add_lead(world)
    await until(lambda: is_bus_complete(relayed, world.pool))
    await again.run()
    assert again.leads == [later]


async def test_a_subscription_has_its_properties_types_and_beginning(
    relayed: Settings, world: World
) -> None:
    first, second = await add_lead(world, 0), await add_lead(world, 1)
    await until(lambda: is_bus_complete(relayed, world.pool))
    first_property, second_property = world.properties
    narrow = Output(relayed, Subscription("a", world.org_id, frozenset([first_property])))
    typed = Output(
        relayed,
        Subscription("a", world.org_id, frozenset([second_property]), frozenset(["lead.captured"])),
    )
    head = Output(relayed, Subscription("head", world.org_id))
    await narrow.run()
    await typed.run()
    await head.run(from_head=True)
    assert narrow.leads == [first]
    assert {event["propertyid"] for event in narrow.events} == {str(first_property)}
    assert [(event["type"], event["leadid"]) for event in typed.events] == [
        ("lead.captured", str(second))
    ]
    assert head.events == []
    later = await add_lead(world, 1)
    await until(lambda: is_bus_complete(relayed, world.pool))
    await head.run(from_head=True)
    assert head.leads == [later]
    await forget(relayed, head.subscription)
    await head.run()
    assert head.leads == [later, *sorted((first, second, later), key=head.leads[1:].index)]


async def test_a_name_keeps_its_types(relayed: Settings, world: World) -> None:
    def typed(*types: str) -> Output:
        return Output(relayed, Subscription("test", world.org_id, types=frozenset(types)))

    lead = await add_lead(world)
    await until(lambda: is_bus_complete(relayed, world.pool))
    first, same = typed("lead.noted", "tour.scheduled"), typed("tour.scheduled", "lead.noted")
    await first.run()
    for other in (typed("lead.captured"), typed("lead.noted"), typed()):
        with pytest.raises(TypesChanged, match=r"that of lead\.noted,tour\.scheduled, not"):
            await other.run()
        assert other.chunks == []
    await same.run()
    everything = typed()
    await forget(relayed, everything.subscription)
    await everything.run()
    assert everything.leads == [lead]
    with pytest.raises(TypesChanged, match=r"that of all types, not of lead\.noted"):
        await typed("lead.noted").run()


async def test_forged_records_are_not_written(relayed: Settings, world: World) -> None:
    await add_lead(world)
    await until(lambda: is_bus_complete(relayed, world.pool))
    topic = events_topic(relayed)
    attacker = await make_attacker(world.pool, topic)
    payload = '{"lead_id": "%s", "source": "x", "first_name": "Forged"}' % (forged := uuid4())
    records = [make(attacker) for _, make in WITHOUT_KEY.values()]
    records += [
        attacker.forge_next(property_id, event_type="lead.captured", entity_id=forged,
                            lead_id=forged, payload=payload)
        for property_id in world.properties
    ]  # fmt: skip
    servers = relayed.kafka_bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        for key, value, headers in records:
            await producer.send_and_wait(topic, value, key, headers=headers)
    last = await add_lead(world)
    output = Output(relayed, Subscription("test", world.org_id))
    running = asyncio.create_task(output.run(once=False))
    await until(lambda: last in output.leads)
    running.cancel()
    assert forged not in output.leads
    assert b"orged" not in b"".join(output.chunks)
    ids = [event["id"] for event in output.events]
    assert len(ids) == len(set(ids))


async def test_what_the_broker_lost_is_read_from_the_log(relayed: Settings, world: World) -> None:
    subscription = Subscription("test", world.org_id)
    output = Output(relayed, subscription)
    await output.run()
    running = asyncio.create_task(output.run(once=False))
    await recreate_topic(relayed, 4)
    leads = [await add_lead(world, n) for n in range(6)]
    await until(lambda: set(leads) <= set(output.leads))
    running.cancel()
    assert len(output.leads) == len(leads)


async def test_an_event_without_its_key_stops_the_follower_before_it(
    relayed: Settings, world: World, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable, lost, later = [await add_lead(world) for _ in range(3)]
    await until(lambda: is_bus_complete(relayed, world.pool))
    rows = await world.pool.fetch("SELECT * FROM crm_keys.data_keys WHERE subject_id = $1", lost)
    await owner_pool.execute("DELETE FROM crm_keys.data_keys WHERE subject_id = $1", lost)
    forget_keys(monkeypatch)
    output = Output(relayed, Subscription("test", world.org_id))
    for _ in range(2):
        with pytest.raises(DataKeyMissing, match=str(lost)):
            await output.run()
    assert output.leads == [readable]
    async with owner_pool.acquire() as conn:
        await conn.copy_records_to_table(
            "data_keys", schema_name="crm_keys", records=[tuple(row.values()) for row in rows]
        )
    forget_keys(monkeypatch)
    await output.run()
    assert output.leads == [readable, lost, later]


async def test_a_lost_key_of_another_organisation_stops_nothing(
    relayed: Settings, world: World, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await make_world(world.pool)
    lost, lead = await add_lead(other), await add_lead(world)
    await until(lambda: is_bus_complete(relayed, world.pool))
    await owner_pool.execute("DELETE FROM crm_keys.data_keys WHERE subject_id = $1", lost)
    forget_keys(monkeypatch)
    output = Output(relayed, Subscription("test", world.org_id))
    await output.run()
    assert output.leads == [lead]


async def test_an_erased_person_is_written_with_erased_values(
    relayed: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = await add_lead(world, first_name="Ada")
    await world.append(world.new(LeadErased(lead_id=lead, reason="request")))
    await until(lambda: is_bus_complete(relayed, world.pool))
    forget_keys(monkeypatch)
    output = Output(relayed, Subscription("test", world.org_id))
    await output.run()
    captured = next(event for event in output.events if event["type"] == "lead.captured")
    assert (captured["erased"], captured["data"]["first_name"]) == (True, None)
    assert await world.count("crm.payload_reads") <= 1, "the erasure has a reason of its own"


async def test_another_generation_ends_the_follower(relayed: Settings, world: World) -> None:
    lead = await add_lead(world)
    await until(lambda: is_bus_complete(relayed, world.pool))
    output = Output(relayed, Subscription("test", world.org_id))
    await output.run()
    running = asyncio.create_task(output.run(once=False))
    async with world.pool.acquire() as conn:
        await begin_generation(conn, 2)
    with pytest.raises(GenerationEnded):
        await running
    with pytest.raises(GenerationEnded, match="crm events forget"):
        await output.run()
    await forget(relayed, output.subscription)
    await output.run()
    assert output.leads == [lead, lead]


async def test_a_second_follower_of_the_name_takes_over(relayed: Settings, world: World) -> None:
    subscription = Subscription("test", world.org_id)
    first, second = Output(relayed, subscription), Output(relayed, subscription)
    running = asyncio.create_task(first.run(once=False))
    lead = await add_lead(world)
    await until(lambda: lead in first.leads)
    replacement = asyncio.create_task(second.run(once=False))

    async def is_replaced() -> bool:
        await add_lead(world)
        return running.done()

    await until(is_replaced)
    with pytest.raises(FencingError):
        await running
    last = await add_lead(world)
    await until(lambda: last in second.leads)
    replacement.cancel()


async def test_servers_that_do_not_answer_are_reported(settings: Settings, world: World) -> None:
    output = Output(settings, Subscription("test", world.org_id))
    with pytest.raises(UnreachableServer, match="Kafka"):
        await output.run()


async def test_a_follower_without_a_topic_is_refused(
    kafka_settings: Settings, world: World
) -> None:
    assert await load_bus_positions(kafka_settings, world.pool) == []
    output = Output(kafka_settings, Subscription("test", world.org_id))
    with pytest.raises(UnreachableServer, match="start the relay"):
        await output.run()
