"""The vocabulary as a whole."""

import re
from collections.abc import Callable
from uuid import UUID

import orjson
import pytest
from pydantic import ValidationError

import events
from events import catalog
from events.catalog import CATALOG, EVENTS, Entry, UnknownEvent, decode, decode_sent, kind_of
from events.event import Event, Intake, touches
from tests.events.frozen import CURRENT, SAMPLES, Sample

every_event = pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=str)

PROMISED = """
organization.recorded property.recorded profile.recorded
widget.configured widget.key_issued widget.key_revoked
session.started session.identified
conversation.started conversation.message_received conversation.replied conversation.answered
conversation.taken_over conversation.released conversation.waiting
lead.captured lead.imported lead.adopted lead.updated lead.contacted lead.status_changed
lead.noted lead.merged lead.unmerged lead.erased
tour.scheduled tour.confirmed tour.rescheduled tour.completed tour.cancelled
tour.no_show_recorded tour.no_show_corrected
slot.opened slot.held slot.released slot.closed
engagement.recorded activity.recorded consent.given consent.withdrawn
workflow.defined workflow.activated workflow.deactivated template.defined template.retired
run.enrolled run.step_reached run.paused run.resumed run.moved run.stopped run.converted
run.completed
delivery.planned delivery.held delivery.handed_over delivery.delivered delivery.failed
delivery.skipped delivery.unknown delivery.reconciled
score.due parked.dropped retention.applied
"""

OBSERVED = {
    "session.started",
    "conversation.started",
    "conversation.message_received",
    "engagement.recorded",
    "activity.recorded",
}


def test_the_package_events_is_ours() -> None:
    assert events.__doc__ is not None
    assert "leasing CRM" in events.__doc__


def test_every_promised_event_is_in_the_catalog() -> None:
    assert set(PROMISED.split()) <= CATALOG.keys()


def test_names_are_unique_and_stand_beside_their_stream() -> None:
    assert len(CATALOG) == len(EVENTS)
    for name in CATALOG:
        assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", name)


def test_producers_observe_these_and_nothing_else() -> None:
    assert {e.name for e in CATALOG.values() if e.intake is Intake.OBSERVED} == OBSERVED


@every_event
def test_every_event_has_a_frozen_sample_of_every_version(entry: Entry) -> None:
    versions = {sample.version for sample in SAMPLES if sample.name == entry.name}
    assert versions == set(range(1, entry.version + 1))


@every_sample
def test_every_sample_is_read_in_todays_shape(sample: Sample) -> None:
    event = decode(sample.name, sample.version, sample.payload)
    assert type(event) is kind_of(sample.name)


@pytest.mark.parametrize("sample", CURRENT.values(), ids=str)
def test_a_sample_of_today_is_written_as_it_was_read(sample: Sample) -> None:
    event = decode(sample.name, sample.version, sample.payload)
    assert orjson.loads(event.model_dump_json(exclude_unset=True)) == sample.said
    assert decode(sample.name, sample.version, sample.said) == event


@every_event
def test_the_stream_id_is_a_field_of_the_event(entry: Entry) -> None:
    event = _event(entry)
    assert isinstance(event.stream_id, UUID)
    assert entry.stream == event.stream


@every_event
def test_personal_data_belongs_to_a_subject_that_is_always_known(entry: Entry) -> None:
    for subject in entry.personal.values():
        field = entry.kind.model_fields[subject]
        assert field.is_required()
        assert field.annotation is UUID


@every_event
def test_personal_data_can_be_emptied_without_breaking_the_event(entry: Entry) -> None:
    payload = dict(CURRENT[entry.name].said)
    for field in entry.personal:
        empty = _first_accepted(entry, payload, field)
        decode(entry.name, entry.version, {**payload, field: empty})


@every_event
def test_every_event_touches_its_own_stream_or_only_mentions_it(entry: Entry) -> None:
    event = _event(entry)
    if entry.stream == "operations":
        assert touches(event) == frozenset()
    else:
        assert event.stream_id in touches(event)


def test_an_agent_is_only_mentioned() -> None:
    event = decode("conversation.answered", 1, CURRENT["conversation.answered"].payload)
    assert UUID(str(CURRENT["conversation.answered"].said["agent_id"])) not in touches(event)


def test_all_conversations_of_an_identified_session_are_touched() -> None:
    event = decode("session.identified", 1, CURRENT["session.identified"].payload)
    assert len(touches(event)) == 3


def test_a_merge_is_about_the_loser_and_touches_both() -> None:
    event = decode("lead.merged", 1, CURRENT["lead.merged"].payload)
    assert event.lead == event.stream_id
    assert len(touches(event)) == 2


@every_event
def test_an_unknown_field_is_refused(entry: Entry) -> None:
    with pytest.raises(ValidationError, match="surprise"):
        decode(entry.name, entry.version, {**CURRENT[entry.name].said, "surprise": 1})


@every_event
def test_events_are_frozen(entry: Entry) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(_event(entry), entry.entity, UUID(int=1))


def test_an_unknown_name_says_what_to_do() -> None:
    with pytest.raises(UnknownEvent, match="newer build"):
        decode("lead.teleported", 1, b"{}")
    with pytest.raises(UnknownEvent):
        kind_of("lead.teleported")


@pytest.mark.parametrize("version", [-1, 0, 4, 10**9])
def test_an_unknown_version_says_which_are_known(version: int) -> None:
    with pytest.raises(UnknownEvent, match="1 to 3"):
        decode("tour.scheduled", version, CURRENT["tour.scheduled"].payload)


@pytest.mark.parametrize("door", [decode, decode_sent], ids=["stored", "sent"])
@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "payload",
    [b"", b"nul", b"[]", b"7", b"null", b"\xff\xfe", b'{"tour_id":"\\ud800"}', {"x": "\ud800"}],
    ids=repr,
)
def test_what_is_no_payload_is_refused_as_invalid(
    door: Callable[[str, int, bytes | dict[str, object]], Event],
    version: int,
    payload: bytes | dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        door("tour.scheduled", version, payload)


@every_event
def test_only_the_catalogs_intake_events_may_come_from_producers(entry: Entry) -> None:
    why = catalog.why_not_from_producer(_event(entry))
    assert (why is None) == (entry.intake is not Intake.NO)


def _event(entry: Entry) -> Event:
    return decode(entry.name, entry.version, CURRENT[entry.name].payload)


def _first_accepted(entry: Entry, payload: dict[str, object], field: str) -> object:
    empties: tuple[object, ...] = (None, "", {})
    for empty in empties:
        try:
            decode(entry.name, entry.version, {**payload, field: empty})
        except ValidationError:
            continue
        return empty
    pytest.fail(f"{entry.name}.{field} cannot be emptied")
