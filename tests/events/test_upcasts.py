"""Upcasts: old versions become the current version, one version at a time."""

from typing import Any

import pytest

from events.catalog import CATALOG, kind_of
from events.codec import decode
from events.tours import TourScheduled
from events.upcasts import UPCASTS
from tests.events.frozen import SAMPLES, Sample

SAMPLES_BY_VERSION = {
    sample.version: sample for sample in SAMPLES if sample.name == "tour.scheduled"
}


def _tour(version: int) -> TourScheduled:
    event = decode("tour.scheduled", version, SAMPLES_BY_VERSION[version].payload)
    assert isinstance(event, TourScheduled)
    return event


def test_every_old_version_of_every_event_has_an_upcast() -> None:
    old_versions = {
        (entry.name, version) for entry in CATALOG.values() for version in range(1, entry.version)
    }
    assert UPCASTS.keys() == old_versions


def test_version_1_keeps_its_agent_and_gets_the_first_of_two_equal_times() -> None:
    tour = _tour(1)
    assert str(tour.assigned_agent_id) == SAMPLES_BY_VERSION[1].fields["agent_id"]
    assert tour.fold == 0


def test_version_2_takes_30_minutes_and_was_booked_by_a_user() -> None:
    tour = _tour(2)
    assert (tour.duration_minutes, tour.source) == (30, "manual")


def test_the_fields_of_an_old_version_are_kept() -> None:
    assert _tour(1).model_dump(exclude={"tour_type"}) == _tour(2).model_dump(exclude={"tour_type"})
    assert str(_tour(1).starts_at.date()) == "2026-12-01"


@pytest.mark.parametrize("version", [1, 2])
def test_decoding_does_not_change_the_given_payload(version: int) -> None:
    payload: dict[str, Any] = SAMPLES_BY_VERSION[version].fields
    decode("tour.scheduled", version, payload)
    assert payload == SAMPLES_BY_VERSION[version].fields


@pytest.mark.parametrize(("name", "version"), UPCASTS)
def test_an_upcast_gives_a_payload_of_the_next_version_only(name: str, version: int) -> None:
    """Its fields are those of the next sample, but for fields that the sample may omit."""
    old, new = (_sample(name, number).fields for number in (version, version + 1))
    upcast_payload = UPCASTS[name, version](dict(old))
    optional = {
        field for field, info in kind_of(name).model_fields.items() if not info.is_required()
    }
    assert upcast_payload.keys() <= new.keys()
    assert new.keys() - upcast_payload.keys() <= optional


ADDED_FIELDS: dict[tuple[str, int], dict[str, Any]] = {
    ("lead.captured", 1): {},
    ("lead.imported", 1): {"metadata": {}},
    ("lead.imported", 2): {},
    ("lead.adopted", 1): {},
    ("lead.updated", 1): {},
    ("lead.erased", 1): {"reason": "unknown"},
    ("session.started", 1): {},
    ("tour.scheduled", 1): {"assigned_agent_id": None, "fold": 0},
    ("tour.scheduled", 2): {"duration_minutes": 30, "source": "manual"},
}


@pytest.mark.parametrize(("name", "version"), UPCASTS)
def test_an_upcast_of_an_empty_payload_adds_only_the_new_fields(name: str, version: int) -> None:
    assert UPCASTS[name, version]({}) == ADDED_FIELDS[name, version]


def _sample(name: str, version: int) -> Sample:
    (sample,) = (s for s in SAMPLES if (s.name, s.version) == (name, version))
    return sample
