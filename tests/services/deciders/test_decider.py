"""Refusals: their status and details, and the streams that most deciders do not read."""

from uuid import uuid4

from events.record import Stream
from services.deciders import leads
from services.deciders.decider import Refused, UnknownSubject


def test_a_refusal_is_a_conflict_without_details_unless_stated() -> None:
    plain = Refused("leased", "the lead has leased")
    assert (plain.code, plain.status, plain.details) == ("leased", 409, {})
    assert plain.message == str(plain) == "the lead has leased"
    stated = Refused("known_lead", "another lead has it", 422, {"leadId": "7"})
    assert (stated.status, stated.details) == (422, {"leadId": "7"})


def test_an_unknown_subject_names_its_stream() -> None:
    stream = Stream("lead", uuid4())
    refused = UnknownSubject(stream)
    assert (refused.code, refused.status, refused.stream) == ("unknown_subject", 404, stream)
    assert refused.message == f"no lead {stream.entity_id}"


def test_the_state_of_a_lead_refers_to_no_other_stream() -> None:
    assert leads.decider.references(leads.decider.initial) == ()
