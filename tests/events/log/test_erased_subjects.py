"""Events about erased data subjects: nobody adds data, and no personal value is stored."""

from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from events import codec
from events.claims import MERGED
from events.consents import ConsentChannel, ConsentGiven, consent_id
from events.engagements import EngagementRecorded
from events.event import Event, entity_id_fields, ids_in
from events.leads import LeadErased
from events.log.append import append
from events.log.erased_subjects import subject_ids
from events.log.errors import SubjectErased
from events.personal import personal_content
from events.record import Cause, NewEvent
from events.sessions import SessionIdentified, SessionStarted
from tests.events.frozen import CURRENT, Sample
from tests.world import START, VISITOR, World, make_world

OUTSIDERS = ["user:1", "visitor", "visitor:0a", "producer:/crm", "import:old", "operator:ada"]
TEXT = "a text of Ada"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def erase(world: World, *ids: UUID) -> None:
    await world.append(
        world.new(LeadErased(lead_id=ids[0], reason="request", session_ids=tuple(ids[1:])))
    )


def by(new: NewEvent, actor: str) -> NewEvent:
    return replace(new, cause=Cause(actor))


def about_new_subjects(sample: Sample) -> list[tuple[Event, UUID]]:
    """Return the event of a sample once for each of its subjects, which gets a new id."""
    event = codec.decode(sample.name, sample.version, sample.payload)
    assert isinstance(event, Event)
    return [(with_id(event, old, new), new) for old in subject_ids(event) for new in [uuid4()]]


def with_id(event: Event, old: UUID, new: UUID) -> Event:
    """Return an event with another id of an entity, in all fields that hold it."""
    ids = {field: ids_in(event, field) for field in entity_id_fields(type(event))}
    return event.model_copy(
        update={
            field: new if isinstance(getattr(event, field), UUID) else (new,)
            for field, values in ids.items()
            if old in values
        }
    )


async def test_no_personal_value_of_any_event_is_stored_for_an_erased_subject(
    world: World,
) -> None:
    """Events of the core go on, such as the outcome of a message that was handed over before."""
    events = [
        (event, subject)
        for sample in CURRENT.values()
        for event, subject in about_new_subjects(sample)
        if personal_content(event)
    ]
    assert len(events) > 30
    subjects = [subject for _, subject in events]
    await erase(world, *subjects)
    for event, subject in events:
        new = by(world.new(event), "policy:test")
        fields = list(personal_content(new.event))
        await world.append(new)
        row = await world.pool.fetchrow(
            "SELECT payload::text, digest FROM crm_events WHERE id = $1", new.id
        )
        assert row is not None
        payload = orjson.loads(row["payload"])
        assert payload.pop("sealed") == {"fields": fields}, (event.name, subject)
        assert payload.keys().isdisjoint(fields), event.name
        assert row["digest"] == b"", "a fingerprint of the values"
    kinds = await world.pool.fetch("SELECT DISTINCT kind FROM crm.claims")
    assert {row["kind"] for row in kinds} <= {MERGED}


def additions(world: World, lead: UUID) -> list[Event]:
    """Return events with which an outsider would add data of a lead."""
    return [
        *world.chat(lead),
        world.engagement(lead),
        ConsentGiven(consent_id=consent_id(lead, ConsentChannel.SMS), lead_id=lead,
                     channel=ConsentChannel.SMS, text=TEXT, place="/tour", at=START),
        SessionStarted(session_id=uuid4(), visitor_hash=VISITOR, lead_id=lead),
        SessionIdentified(session_id=uuid4(), lead_id=lead, conversation_ids=()),
    ]  # fmt: skip


@pytest.mark.parametrize("actor", OUTSIDERS)
async def test_outsiders_add_nothing_for_an_erased_lead(world: World, actor: str) -> None:
    lead, other = uuid4(), uuid4()
    await erase(world, lead)
    for event in additions(world, lead):
        with pytest.raises(SubjectErased, match=str(lead)):
            await world.append(by(world.new(event), actor))
    for event in additions(world, other):
        await world.append(by(world.new(event), actor))
    events = await world.pool.fetchval("SELECT count(*) FROM crm_events WHERE lead_id = $1", lead)
    assert events == 1, "the erasure"


async def test_an_event_from_before_the_erasure_is_a_duplicate_when_it_comes_again(
    world: World,
) -> None:
    lead = uuid4()
    details = {"metadata": {"note": TEXT}}
    kept = by(world.new(world.engagement(lead).model_copy(update=details)), "producer:/crm")
    await world.append(kept)
    await erase(world, lead)
    assert (await world.append(kept)).duplicates == (kept.id,)


async def test_an_event_without_its_values_is_a_duplicate_when_it_comes_again(
    world: World,
) -> None:
    """The message belongs to a conversation that is not erased, so only its lead says it."""
    lead = uuid4()
    await erase(world, lead)
    message = by(world.new(world.chat(lead)[-1]), "policy:test")
    await world.append(message)
    assert (await world.append(message)).duplicates == (message.id,)


async def test_an_append_waits_for_the_erasure_of_its_lead(world: World) -> None:
    """The erasure is read after the lock of the property, in a new snapshot."""
    lead = uuid4()
    async with world.pool.acquire() as erasing, world.pool.acquire() as adding:
        transaction = erasing.transaction()
        await transaction.start()
        await append(erasing, [world.new(LeadErased(lead_id=lead, reason="r"))], expected={})
        async with adding.transaction():
            await adding.fetchval("SELECT count(*) FROM crm.erased_subjects")
            await transaction.commit()
            late = by(world.new(world.engagement(lead)), "user:1")
            assert isinstance(late.event, EngagementRecorded)
            with pytest.raises(SubjectErased):
                await append(adding, [late], expected={})
