"""Contents about a person in operational tables: they are sealed, found and erased."""

from collections.abc import AsyncIterator
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from events.event import ERASED_TEXT
from events.keys.ring import KeyRing, current_ring, use_ring
from events.log import commands, read
from events.log.commands import CommandId, ResultErased
from events.record import Stream
from services.application import dead_letters
from services.application.dead_letters import DeadLetterFilter
from services.application.person_terms import PersonTerms
from services.application.sealed_tables import (
    FoundRow,
    SealedTable,
    erase_rows,
    find_rows,
)
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.workflows.policy_failures import list_failures, store_failure
from services.workflows.policy_runner import PolicyError
from tests.services.intake.producer_records import binary_record
from tests.world import World, make_world

EMAIL = "Quokka.Secret@example.com"
PHONE = "+1 (212) 555-0187"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
async def conn(world: World) -> AsyncIterator[asyncpg.Connection]:
    async with world.pool.acquire() as conn, conn.transaction():
        yield cast("asyncpg.Connection", conn)


def person_of(world: World, *subject_ids: UUID, texts: tuple[str, ...] = ()) -> PersonTerms:
    return PersonTerms(frozenset(world.properties), frozenset(subject_ids), frozenset(texts))


async def reject(world: World, **data: object) -> UUID:
    """Let the intake reject a record with these data; return the id of the dead letter."""
    record = binary_record("lead.noted", {"nothing": 1, **data}, world.properties[0])
    [outcome] = await Admission(world.pool, IntakeSettings(), Clock()).admit([record])
    assert outcome.status.value == "dead"
    return record.id


async def read_everything(conn: asyncpg.Connection) -> str:
    """Return all rows of the tables, bytes as text too."""
    rows = [
        value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for table in SealedTable
        for row in await conn.fetch(f"SELECT * FROM crm.{table}")
        for value in row.values()
    ]
    return "\n".join(rows)


async def settle(conn: asyncpg.Connection, answer: object, *subject_ids: UUID) -> CommandId:
    command = CommandId(uuid4(), b"digest")
    assert await commands.claim(conn, command) is None
    await commands.settle(conn, command, answer, subject_ids)
    return command


async def fail(world: World, conn: asyncpg.Connection, lead_id: UUID, detail: str) -> UUID:
    """Store a failure of a policy because of an event of a lead; return the event's id."""
    await world.append(world.new(world.captured(lead_id, email=f"{lead_id}@example.com")))
    [recorded] = await read.streams(conn, [Stream("lead", lead_id)])
    await store_failure(conn, recorded, PolicyError("enrol", "no_template", detail))
    return recorded.id


async def test_no_table_contains_what_a_person_wrote(
    world: World, conn: asyncpg.Connection
) -> None:
    lead_id = uuid4()
    await reject(world, note=EMAIL)
    data = {"activity_id": str(uuid4()), "lead_id": str(uuid4()), "type": "note"}
    pending = binary_record(
        "activity.recorded", {**data, "description": EMAIL}, world.properties[0]
    )
    [outcome] = await Admission(world.pool, IntakeSettings(), Clock()).admit([pending])
    assert outcome.status.value == "waiting"
    await fail(world, conn, lead_id, f"{EMAIL} is not an address")
    command = await settle(conn, {"email": EMAIL}, lead_id, world.properties[0])
    assert EMAIL not in await read_everything(conn)
    assert await commands.claim(conn, command) == {"email": EMAIL}
    [dead] = await dead_letters.find(conn, DeadLetterFilter(), 10)
    assert dead.record is not None
    assert orjson.loads(dead.record.value or b"")["note"] == EMAIL
    [failure] = await list_failures(conn)
    assert failure.detail == f"{EMAIL} is not an address"


async def test_an_erasure_finds_the_rows_of_a_person_and_of_nobody_else(
    world: World, conn: asyncpg.Connection
) -> None:
    lead_id, other_lead = uuid4(), uuid4()
    by_email = await reject(world, note=f"write to {EMAIL.upper()}")
    by_phone = await reject(world, a=[{"phone": "1-212-555-0187"}])
    by_id = await reject(world, lead_id=str(lead_id))
    other = await reject(world, note="somebody@example.com")
    failed = await fail(world, conn, lead_id, "a detail")
    await fail(world, conn, other_lead, "another detail")
    of_lead = await settle(conn, {"name": "Ada"}, lead_id)
    of_property = await settle(conn, {"seen": EMAIL}, world.properties[0])
    of_other = await settle(conn, {"seen": "somebody"}, world.properties[0])

    person = person_of(world, lead_id, texts=(EMAIL, PHONE))
    found = await find_rows(conn, person)
    assert set(found) == {
        *(FoundRow(SealedTable.DEAD_LETTERS, key) for key in (by_email, by_phone, by_id)),
        *(FoundRow(SealedTable.COMMANDS, key.id) for key in (of_lead, of_property)),
        FoundRow(SealedTable.POLICY_FAILURES, failed, "enrol"),
    }
    await erase_rows(conn, found)
    assert await find_rows(conn, person) == []

    stored = await dead_letters.find(conn, DeadLetterFilter(status=None), 10)
    assert {dead.id for dead in stored if dead.record is None} == {by_email, by_phone, by_id}
    assert [dead.id for dead in stored if dead.columns["status"] == "open"] == [other]
    for command in (of_lead, of_property):
        with pytest.raises(ResultErased):
            await commands.claim(conn, command)
    assert await commands.claim(conn, of_other) == {"seen": "somebody"}
    details = [failure.detail for failure in await list_failures(conn)]
    assert details == [ERASED_TEXT, "another detail"]


async def test_a_backup_brings_back_the_row_of_an_erased_record_and_not_its_key(
    world: World, conn: asyncpg.Connection
) -> None:
    dead_id = await reject(world, note=EMAIL)
    content = await conn.fetchval("SELECT content FROM crm.dead_letters WHERE id = $1", dead_id)
    await erase_rows(conn, await find_rows(conn, person_of(world, texts=(EMAIL,))))
    await conn.execute("UPDATE crm.dead_letters SET content = $1", content)
    ring = current_ring()
    use_ring(KeyRing(ring.master_keys))  # as in another process, which has loaded no key yet
    try:
        [dead] = await dead_letters.find(conn, DeadLetterFilter(status=None), 10)
    finally:
        use_ring(ring)
    assert (dead.record, dead.detail) == (None, None)


@pytest.mark.parametrize(
    ("content", "is_named"),
    [
        (b'{"email": "quokka.secret@EXAMPLE.com"}', True),
        (b'{"email": "quokka.secret\\u0040example.com"}', True),
        (b'{"headers": [], "key": null, "value": 9}\n{"phone": "+1 212 555 0187"}', True),
        (
            b'{"key": 2, "value": 9}\nk1{"email": "quokka.secret\\u0040example.com"}',
            True,
        ),
        (b'{"headers": [["ce_actor", "dXNlcjpxdW9ra2Euc2VjcmV0QGV4YW1wbGUuY29t"]]}\n', True),
        (b"12125550187", True),
        (b'{"email": "my.quokka.secret@example.com"}', False),
        (b'{"email": "quokka.secret@example.com.au"}', False),
        (b"somebody@example.com, 2125550188", False),
        (b"\xff\xfe", False),
    ],
)
def test_a_person_is_found_however_an_address_is_written(content: bytes, is_named: bool) -> None:
    person = PersonTerms(frozenset(), frozenset(), frozenset({EMAIL, "212 555 0187", " "}))
    assert person.is_named_in(content) is is_named
