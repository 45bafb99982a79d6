"""The catalog as a whole: names, samples, personal fields and decoding."""

import contextlib
import importlib
import pkgutil
import re
from collections.abc import Callable
from uuid import UUID

import orjson
import pytest
from pydantic import ValidationError

import events
from events import catalog
from events.catalog import CATALOG, EVENTS, Entry, UnknownEvent, kind_of
from events.codec import decode, decode_from_producer
from events.event import Event, Intake, touches
from tests.events.frozen import CURRENT, SAMPLES, Sample

every_event = pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=str)

OBSERVED = {
    "session.started",
    "conversation.started",
    "conversation.message_received",
    "engagement.recorded",
    "activity.recorded",
}


def test_the_package_events_is_that_of_the_project() -> None:
    assert events.__doc__ is not None
    assert "leasing CRM" in events.__doc__


def test_the_catalog_has_every_event_class_of_the_package() -> None:
    for module in pkgutil.iter_modules(events.__path__):
        importlib.import_module(f"events.{module.name}")
    named = {kind for kind in _subclasses(Event) if "name" in vars(kind)}
    assert {kind for kind in named if kind.__module__.startswith("events.")} == set(EVENTS)


def test_no_event_was_removed_or_renamed() -> None:
    """A frozen sample is never deleted, so an event that was stored once must remain readable."""
    assert {sample.name for sample in SAMPLES} == CATALOG.keys()


def test_names_are_unique_and_well_formed() -> None:
    assert len(CATALOG) == len(EVENTS)
    for name in CATALOG:
        assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", name)


def test_only_these_events_are_observed() -> None:
    assert {e.name for e in CATALOG.values() if e.intake is Intake.OBSERVED} == OBSERVED


@every_event
def test_every_event_has_a_frozen_sample_of_every_version(entry: Entry) -> None:
    versions = {sample.version for sample in SAMPLES if sample.name == entry.name}
    assert versions == set(range(1, entry.version + 1))


@every_sample
def test_every_sample_is_decoded_to_the_current_version(sample: Sample) -> None:
    event = decode(sample.name, sample.version, sample.payload)
    assert type(event) is kind_of(sample.name)


@pytest.mark.parametrize("sample", CURRENT.values(), ids=str)
def test_a_sample_of_the_current_version_is_encoded_as_it_was_decoded(sample: Sample) -> None:
    event = decode(sample.name, sample.version, sample.payload)
    assert orjson.loads(event.model_dump_json(exclude_unset=True)) == sample.fields
    assert decode(sample.name, sample.version, sample.fields) == event


@every_event
def test_the_stream_id_is_a_field_of_the_event(entry: Entry) -> None:
    event = _event(entry)
    assert isinstance(event.stream_id, UUID)
    assert entry.stream == event.stream


@every_event
def test_the_data_subject_of_a_personal_field_is_a_required_id(entry: Entry) -> None:
    for subject in entry.personal.values():
        field = entry.kind.model_fields[subject]
        assert field.is_required()
        assert field.annotation is UUID


@every_event
def test_an_event_with_erased_values_is_valid(entry: Entry) -> None:
    payload = dict(CURRENT[entry.name].fields)
    for field in entry.personal:
        assert _accepts_an_erased_value(entry, payload, field), f"{entry.name}.{field}"


@every_event
def test_every_event_touches_its_own_stream_except_operations(entry: Entry) -> None:
    event = _event(entry)
    if entry.stream == "operations":
        assert touches(event) == frozenset()
    else:
        assert event.stream_id in touches(event)


def test_the_agent_of_an_answer_is_only_a_reference() -> None:
    event = decode("conversation.answered", 1, CURRENT["conversation.answered"].payload)
    assert UUID(str(CURRENT["conversation.answered"].fields["agent_id"])) not in touches(event)


def test_all_conversations_of_an_identified_session_are_touched() -> None:
    event = decode("session.identified", 1, CURRENT["session.identified"].payload)
    assert len(touches(event)) == 3


def test_a_merge_belongs_to_the_loser_and_touches_both_leads() -> None:
    event = decode("lead.merged", 1, CURRENT["lead.merged"].payload)
    assert event.lead == event.stream_id
    assert len(touches(event)) == 2


@every_event
def test_an_unknown_field_is_refused(entry: Entry) -> None:
    with pytest.raises(ValidationError, match="unknown_field"):
        decode(entry.name, entry.version, {**CURRENT[entry.name].fields, "unknown_field": 1})


@every_event
def test_events_are_immutable(entry: Entry) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(_event(entry), entry.entity, UUID(int=1))


def test_the_error_of_an_unknown_name_says_what_to_do() -> None:
    with pytest.raises(UnknownEvent, match="newer build"):
        decode("lead.teleported", 1, b"{}")
    with pytest.raises(UnknownEvent):
        kind_of("lead.teleported")


@pytest.mark.parametrize("version", [-1, 0, 4, 10**9])
def test_the_error_of_an_unknown_version_names_the_known_ones(version: int) -> None:
    with pytest.raises(UnknownEvent, match="1 to 3"):
        decode("tour.scheduled", version, CURRENT["tour.scheduled"].payload)


@pytest.mark.parametrize("decoder", [decode, decode_from_producer], ids=["stored", "producer"])
@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "payload",
    [b"", b"nul", b"[]", b"7", b"null", b"\xff\xfe", b'{"tour_id":"\\ud800"}', {"x": "\ud800"}],
    ids=repr,
)
def test_an_invalid_payload_is_refused(
    decoder: Callable[[str, int, bytes | dict[str, object]], Event],
    version: int,
    payload: bytes | dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        decoder("tour.scheduled", version, payload)


@every_event
def test_producers_may_send_exactly_the_events_with_an_intake_mode(entry: Entry) -> None:
    objection = catalog.producer_objection(_event(entry))
    assert (objection is None) == (entry.intake is not Intake.NO)


def _event(entry: Entry) -> Event:
    return decode(entry.name, entry.version, CURRENT[entry.name].payload)


def _accepts_an_erased_value(entry: Entry, payload: dict[str, object], field: str) -> bool:
    erased_values: tuple[object, ...] = (None, {}, "[erased]")
    for value in erased_values:
        with contextlib.suppress(ValidationError):
            decode(entry.name, entry.version, {**payload, field: value})
            return True
    return False


def _subclasses(kind: type[Event]) -> set[type[Event]]:
    """Return all direct and indirect subclasses."""
    direct = set(kind.__subclasses__())
    return direct.union(*(_subclasses(subclass) for subclass in direct))
