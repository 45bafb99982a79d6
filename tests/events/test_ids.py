"""An id that is derived from several parts depends on each of them."""

from uuid import UUID, uuid4, uuid5

import pytest

from events.conversations import (
    ConversationMessageAdopted,
    ConversationMessageReceived,
    MessageRole,
)
from events.ids import (
    is_reserved,
    log_id,
    message_event_id,
    producer_event_id,
    reserved_id,
    scoped_id,
)
from events.sessions import chat_start_id
from events.tours import TourNoShowRecorded
from events.uuids import QuickUUID

ORG, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize("number", range(20))
def test_a_derived_id_is_the_standard_one(number: int) -> None:
    """Rows that have such an id keep it, whichever library computes it."""
    event_id, conversation_id = uuid4(), UUID(int=number)
    standard = uuid5(event_id, str(conversation_id))
    assert chat_start_id(event_id, conversation_id) == standard
    assert chat_start_id(QuickUUID(event_id.bytes), QuickUUID(conversation_id.bytes)) == standard
    no_show = TourNoShowRecorded(tour_id=event_id, lead_id=conversation_id)
    assert no_show.no_show_id == uuid5(event_id, "no_show")


@pytest.mark.parametrize(
    "other",
    [
        (OTHER, "/crm", "1"),
        (ORG, "/other", "1"),
        (ORG, "/crm", "2"),
        (ORG, "/crm/1", ""),
        (ORG, "", "/crm/1"),
    ],
)
def test_the_id_of_a_record_depends_on_organisation_source_and_id(
    other: tuple[UUID, str, str],
) -> None:
    assert log_id(ORG, "/crm", "1") == log_id(ORG, "/crm", "1")
    assert log_id(ORG, "/crm", "1") != log_id(*other)


@pytest.mark.parametrize(
    "other", [(OTHER, "session", "a"), (ORG, "conversation", "a"), (ORG, "session", "b")]
)
def test_a_scoped_id_depends_on_property_kind_and_name(other: tuple[UUID, str, str]) -> None:
    assert scoped_id(ORG, "session", "a") == scoped_id(ORG, "session", "a")
    assert scoped_id(ORG, "session", "a") != scoped_id(*other)


def test_scoped_ids_of_random_names_differ() -> None:
    assert len({scoped_id(ORG, "session", uuid4()) for _ in range(1_000)}) == 1_000


def test_derived_ids_never_change() -> None:
    """The log contains them: with other values, a repeated event would be a second event."""
    assert log_id(ORG, "/crm", "1") == UUID("8dcc202e-5795-5a6f-8212-50ddf377411d")
    assert message_event_id(ORG) == UUID("a08eed5f-6665-a467-b9cf-f641b05469de")
    assert scoped_id(ORG, "session", "a") == UUID("134990c5-aa0d-8905-a906-baec61a8d119")
    assert is_reserved(scoped_id(ORG, "session", "a"))
    assert not is_reserved(uuid4())


@pytest.mark.parametrize(("byte", "text"), [
    (0x00, "00000000-0000-8000-8000-000000000000"), (0xFF, "ffffffff-ffff-8fff-bfff-ffffffffffff"),
])  # fmt: skip
def test_a_reserved_id_keeps_all_bits_but_version_and_variant(byte: int, text: str) -> None:
    """RFC 9562 §5.8: version 8 in four bits, the variant in two."""
    assert reserved_id(bytes([byte]) * 32) == UUID(text)


def test_a_message_has_the_same_event_id_in_every_record() -> None:
    conversation_id = uuid4()
    received = ConversationMessageReceived(
        conversation_id=conversation_id, message_id=ORG, content="hello"
    )
    adopted = ConversationMessageAdopted(
        conversation_id=conversation_id, message_id=ORG, role=MessageRole.USER, content="hello"
    )
    assert producer_event_id(ORG, "/crm", "1", received) == message_event_id(ORG)
    assert producer_event_id(ORG, "/crm", "1", adopted) == log_id(ORG, "/crm", "1")
