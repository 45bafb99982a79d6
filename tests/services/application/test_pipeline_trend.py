"""Peaks of the last hour: how high they were, which process was behind, and why."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.application.pipeline_samples import PipelineSample
from services.application.pipeline_trend import MAX_PEAKS, LongWork, Trend, find_peaks

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEVEL = PipelineSample(
    sampled_at=BEGIN, position=100, unpublished=0, unnumbered=0, http_events=5, intake_events=5,
    other_events=0, messages=0, relay_seconds=0.0, projection_events=0, projection_seconds=0.1,
    policy_events=0, policy_seconds=0.1, timers_due=0, timers_seconds=0.0, parked=0, refused=0,
    held=0, owners={"relay": ["r:1"], "live": ["p:1"], "policies": ["w:1"]},
    database_started_at=BEGIN - timedelta(days=1),
)  # fmt: skip


def make_samples(*changes: dict[str, Any], step_seconds: int = 10) -> list[PipelineSample]:
    """Return level samples with these changes, one after the other."""
    return [
        replace(LEVEL, sampled_at=BEGIN + timedelta(seconds=step_seconds * at), **change)
        for at, change in enumerate(changes)
    ]


def reasons_of(samples: Sequence[PipelineSample], *work: LongWork) -> list[str | None]:
    return [peak.reason for peak in find_peaks(samples, work)]


BEHIND: dict[str, Any] = {"projection_seconds": 4.0}


def test_a_level_hour_has_no_peak() -> None:
    assert find_peaks(make_samples(*[{}] * 5)) == []
    assert find_peaks([]) == []


def test_a_peak_has_its_highest_value_and_time() -> None:
    [peak] = find_peaks(make_samples({}, {}, BEHIND, {"projection_seconds": 9.0}, BEHIND, {}))
    assert (peak.process, peak.seconds) == ("projector", 9.0)
    assert peak.at == BEGIN + timedelta(seconds=30)
    assert peak.reason is None


def test_a_new_owner_is_a_restart() -> None:
    new = {"owners": {**LEVEL.owners, "live": ["p:2"]}}
    assert reasons_of(make_samples({}, {}, BEHIND, BEHIND | new, new)) == [
        "projector was restarted"
    ]


def test_an_owner_that_is_gone_or_added_is_named() -> None:
    gone = {"owners": {"relay": ["r:1"], "live": ["p:1"]}}
    assert reasons_of(make_samples({}, BEHIND, gone)) == ["a process workflows ended"]
    assert reasons_of(make_samples(gone, BEHIND, {})) == ["a process workflows started"]


def test_without_a_relay_the_relay_is_behind_and_the_others_are_not_named() -> None:
    waits = {"relay_seconds": 6.0, "projection_seconds": 6.0, "policy_seconds": 6.0,
             "owners": {**LEVEL.owners, "relay": []}}  # fmt: skip
    [peak] = find_peaks(make_samples({}, waits, {}))
    assert (peak.process, peak.reason) == ("relay", "no relay worked")


def test_a_restart_of_the_database_is_known() -> None:
    new = {"database_started_at": BEGIN}
    assert reasons_of(make_samples({}, BEHIND | new, new)) == ["the database was restarted"]


def test_a_rebuild_that_was_going_on_is_known() -> None:
    samples = make_samples({}, {}, {}, {}, BEHIND, {})
    during = LongWork("rebuild", BEGIN, None)
    before = LongWork("verify", BEGIN - timedelta(hours=1), BEGIN - timedelta(minutes=1))
    assert reasons_of(samples, during, before) == ["an operator requested rebuild"]


def test_many_events_at_once_are_named_with_their_origin() -> None:
    burst = {"intake_events": 12_000}
    assert reasons_of(make_samples({}, {}, {}, burst, BEHIND, {})) == [
        "12,005 events in 10 s, most by producers"
    ]


def test_a_gap_between_samples_is_named() -> None:
    samples = make_samples({}, BEHIND, {}, step_seconds=60)
    assert reasons_of(samples) == ["the timers process did not run"]


def test_only_the_highest_peaks_are_named_in_the_order_of_time() -> None:
    changes: list[dict[str, Any]] = []
    for seconds in range(3, 13):
        changes += [{"projection_seconds": float(seconds)}, {}]
    peaks = find_peaks(make_samples(*changes))
    assert [peak.seconds for peak in peaks] == [8.0, 9.0, 10.0, 11.0, 12.0]
    assert len(peaks) == MAX_PEAKS


def test_the_bus_is_stuck_if_it_took_nothing_between_two_samples() -> None:
    waits = {"unpublished": 10}
    assert Trend(make_samples({}, waits, waits), []).is_bus_stuck
    assert not Trend(make_samples({}, waits, {"position": 110, "unpublished": 10}), []).is_bus_stuck
    assert not Trend(make_samples(waits, waits, {}), []).is_bus_stuck
    assert not Trend(make_samples(waits), []).is_bus_stuck
