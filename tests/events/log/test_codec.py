"""The codec of log and bus: personal values are encrypted for their data subject, nothing else."""

import json
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from events.bus import wire
from events.codec import read_event, serialize
from events.event import ERASED_TEXT
from events.keys.data_key import DataKey, TamperedValue
from events.leads import LeadNoted
from events.log import read, sequencer
from events.personal import personal_content
from events.record import UnreadableEvent
from events.sealed_member import SealedPayload, find_sealed
from events.sealed_payload import seal
from tests.replay_determinism.delivery import DeliveryPlan, make_bus
from tests.replay_determinism.history import read_tables
from tests.world import World, make_world

SECRETS = ("Ada", "ada@example.com", "hello 0")
EVENT, OTHER, LEAD = UUID(int=1), UUID(int=2), UUID(int=3)
KEY = DataKey(UUID(int=4), LEAD, bytes(32))
PRINTED = ("key", "value", "fields")
NOTED = LeadNoted(lead_id=LEAD, note="a note")


def sealed_note() -> bytes:
    return seal(NOTED.name, EVENT, serialize(NOTED), personal_content(NOTED), KEY)


def read_note(payload: bytes, event_id: UUID, key: DataKey | None) -> object:
    sealed = find_sealed(payload)
    return read_event(NOTED.name, 1, payload, event_id, sealed, {KEY.id_text: key})


def note_as_printed() -> dict[str, Any]:
    """Return the payload with its member in the order of PostgreSQL: the shortest names first."""
    payload: dict[str, Any] = orjson.loads(sealed_note())
    return payload | {"sealed": {part: payload["sealed"][part] for part in PRINTED}}


def test_an_event_is_read_with_its_key() -> None:
    assert b"a note" not in sealed_note()
    assert orjson.loads(sealed_note())["sealed"]["fields"] == ["note"]
    assert read_note(sealed_note(), EVENT, KEY) == NOTED


def test_without_its_key_the_fields_have_their_erased_values() -> None:
    assert read_note(sealed_note(), EVENT, None) == LeadNoted(lead_id=LEAD, note=ERASED_TEXT)


def test_an_event_of_an_erased_subject_stores_no_value() -> None:
    payload = seal(NOTED.name, EVENT, serialize(NOTED), ["note"], None)
    assert orjson.loads(payload) == {"lead_id": str(LEAD), "sealed": {"fields": ["note"]}}
    assert read_note(payload, EVENT, KEY) == LeadNoted(lead_id=LEAD, note=ERASED_TEXT)


def test_values_moved_to_another_event_cannot_be_read() -> None:
    moved = read_note(sealed_note(), OTHER, KEY)
    assert isinstance(moved, UnreadableEvent)
    assert "another place" in moved.why


@pytest.mark.parametrize("part", ["value", "key", "fields", "form"])
def test_a_changed_value_cannot_be_read(part: str) -> None:
    sealed = (payload := orjson.loads(sealed_note()))["sealed"]
    match part:
        case "value":
            sealed["value"] = sealed["value"][:-8] + "AAAAAAA="
        case "key":
            sealed["key"] = "no id"
        case "fields":
            del sealed["fields"]
        case _:
            sealed["value"] = "?"
    text = orjson.dumps(payload)
    if part != "value":
        with pytest.raises(TamperedValue):
            find_sealed(text)
    else:
        assert isinstance(read_note(text, EVENT, KEY), UnreadableEvent)


@pytest.mark.parametrize("place", ["first", "between", "last", "compact"])
def test_the_encrypted_values_are_read_wherever_their_member_is(place: str) -> None:
    payload, noted_by = note_as_printed(), {"noted_by": str(OTHER)}
    member = payload.pop("sealed")
    stored = {
        "first": {"sealed": member} | payload | noted_by,
        "between": payload | {"sealed": member} | noted_by,
        "last": payload | noted_by | {"sealed": member},
        "compact": payload | {"sealed": member} | noted_by,
    }[place]
    # PostgreSQL prints a space after colons and commas, as Python does.
    text = orjson.dumps(stored) if place == "compact" else json.dumps(stored).encode()
    assert (cast(SealedPayload, find_sealed(text)).start >= 0) == (place != "compact")
    assert read_note(text, EVENT, KEY) == LeadNoted(lead_id=LEAD, note="a note", noted_by=OTHER)
    erased = LeadNoted(lead_id=LEAD, note=ERASED_TEXT, noted_by=OTHER)
    assert read_note(text, EVENT, None) == erased


@pytest.mark.parametrize("is_first", [True, False])
def test_a_clear_value_does_not_replace_an_encrypted_one(is_first: bool) -> None:
    payload, clear = orjson.loads(sealed_note()), {"note": "another note"}
    text = json.dumps(clear | payload if is_first else payload | clear)
    assert read_note(text.encode(), EVENT, KEY) == NOTED


@pytest.mark.parametrize("is_first", [True, False])
def test_a_copy_of_the_encrypted_member_in_another_one_is_no_event(is_first: bool) -> None:
    payload = note_as_printed()
    copy = {"metadata": {"sealed": payload["sealed"]}}
    text = json.dumps(copy | payload if is_first else payload | copy)
    assert isinstance(read_note(text.encode(), EVENT, KEY), UnreadableEvent)


def test_a_payload_without_the_member_is_clear() -> None:
    contents: list[dict[str, object]] = [
        {"x": {"sealed": {}}}, {"sealed": None}, {"x": '"sealed": {}'},
    ]  # fmt: skip
    for text in map(json.dumps, contents):
        assert find_sealed(text) is None
        assert find_sealed(text.encode()) is None


def test_an_unreadable_event_shows_no_value_of_its_payload() -> None:
    event = read_event("lead.noted", 1, b'{"lead_id": "secret-text", "note": 7}')
    assert isinstance(event, UnreadableEvent)
    assert "secret-text" not in event.why
    assert "lead_id" in event.why


def test_a_key_shows_no_bytes() -> None:
    key = DataKey(UUID(int=4), LEAD, b"k" * 32)
    assert "kkk" not in repr(key)
    assert repr(key) == f"DataKey(id={key.id!r}, subject_id={LEAD!r})"


async def _chat(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    for event in world.chat(lead, messages=2):
        await world.append(world.new(event))
    await world.append(world.new(world.engagement(lead)))
    await world.number()


async def test_personal_data_is_encrypted_in_log_and_bus_and_readable_in_tables(
    pool: asyncpg.Pool,
) -> None:
    world = await make_world(pool)
    await _chat(world)
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        logged = await conn.fetchval("SELECT string_agg(e::text, '') FROM crm_events e")
        rows = await read.position_rows(conn, after=0, upto=state.position)
    records = [wire.record_of(row, state.id, state.generation) for row in rows]
    published = b"".join(r.value + b"".join(v for _, v in r.headers) for r in records).decode()
    for secret in SECRETS:
        assert secret not in logged
        assert secret not in published
    await (await make_bus(pool)).deliver(DeliveryPlan(rest=3))
    tables = await read_tables(pool)
    assert all(secret in str(tables) for secret in SECRETS)
    assert [len(tables[name]) for name in ("leads", "messages", "widget_sessions")] == [1, 2, 1]
    assert str(8 + 3 + 12 + 29 + 15) in [total for _, _, total, *_ in tables["lead_scores"]]


async def test_a_duplicate_is_recognised_although_its_ciphertext_differs(
    pool: asyncpg.Pool,
) -> None:
    world = await make_world(pool)
    new = world.new(world.captured())
    await world.append(new)
    assert (await world.append(new)).duplicates == (new.id,)
