"""Old shapes become today's, one version at a time."""

from typing import Any

import pytest

from events.catalog import CATALOG, decode
from events.tours import TourScheduled
from events.upcasts import UPCASTS
from tests.events.frozen import SAMPLES

OLD = {sample.version: sample for sample in SAMPLES if sample.name == "tour.scheduled"}


def _tour(version: int) -> TourScheduled:
    event = decode("tour.scheduled", version, OLD[version].payload)
    assert isinstance(event, TourScheduled)
    return event


def test_every_old_version_of_every_event_has_its_step() -> None:
    wanted = {
        (entry.name, version) for entry in CATALOG.values() for version in range(1, entry.version)
    }
    assert UPCASTS.keys() == wanted


def test_the_first_tours_keep_their_agent_and_are_the_earlier_of_two_equal_times() -> None:
    tour = _tour(1)
    assert str(tour.assigned_agent_id) == OLD[1].said["agent_id"]
    assert tour.fold == 0


def test_the_second_tours_take_half_an_hour_and_were_booked_by_hand() -> None:
    tour = _tour(2)
    assert (tour.duration_minutes, tour.source) == (30, "manual")


def test_what_an_old_tour_did_say_is_kept() -> None:
    assert _tour(1).model_dump(exclude={"tour_type"}) == _tour(2).model_dump(exclude={"tour_type"})
    assert str(_tour(1).starts_at.date()) == "2026-12-01"


@pytest.mark.parametrize("version", [1, 2])
def test_upcasting_does_not_change_what_it_was_given(version: int) -> None:
    given: dict[str, Any] = OLD[version].said
    decode("tour.scheduled", version, given)
    assert given == OLD[version].said


@pytest.mark.parametrize(("name", "version"), UPCASTS)
def test_a_step_never_fails(name: str, version: int) -> None:
    assert isinstance(UPCASTS[name, version]({}), dict)
