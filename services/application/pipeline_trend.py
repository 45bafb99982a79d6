"""The last hour of the pipeline: its samples, the peaks of the lag, and why they were."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from events.log.connection import Connection
from projections.catalog import LIVE
from services.application.pipeline_samples import SAMPLE_SECONDS, PipelineSample, list_samples
from services.application.policy_group import POLICIES

SPAN = timedelta(hours=1)
GAP = timedelta(seconds=3.5 * SAMPLE_SECONDS)
"""Time between two samples from which nobody looked meanwhile."""
PEAK_SECONDS = 2.0
"""Lag from which samples are a peak."""
MAX_PEAKS = 5
BURST_EVENTS = 500
BURST_FACTOR = 10
"""Events in a sample, and that as a multiple of the usual number, from which they are a burst."""
TRACKS: Mapping[str, str] = {
    "relay_seconds": "relay", "projection_seconds": "projector", "policy_seconds": "workflows",
    "timers_seconds": "timers",
}  # fmt: skip
"""Field of a sample → the process whose lag it is, in the direction of the flow."""
PROCESSES: Mapping[str, str] = {
    "relay": "relay", LIVE.name: "projector", POLICIES.name: "workflows"
}  # fmt: skip
"""Key of `owners` → name of the process."""


class LongWork(NamedTuple):
    """A request of an operator that was worked on in the last hour."""

    kind: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Peak:
    """A time in which a process was behind: the most seconds, when, and why if that is known."""

    process: str
    at: datetime
    seconds: float
    reason: str | None


@dataclass(frozen=True, slots=True)
class Trend:
    """The samples of the last hour, the oldest first, and the highest peaks by time."""

    samples: Sequence[PipelineSample]
    peaks: Sequence[Peak]

    @property
    def is_bus_stuck(self) -> bool:
        """Return whether events waited for the bus, and it took none, in the last two samples."""
        published = [
            sample.position - sample.unpublished
            for sample in self.samples[-2:]
            if sample.unpublished > 0
        ]
        return len(published) == 2 and published[0] == published[1]


async def read_trend(conn: Connection) -> Trend:
    """Return the last hour."""
    samples = await list_samples(conn, SPAN)
    rows = await conn.fetch(
        "SELECT kind, requested_at, ended_at FROM crm.operator_requests "
        "WHERE status = 'running' OR ended_at > clock_timestamp() - $1::interval LIMIT 100",
        SPAN,
    )
    return Trend(samples, find_peaks(samples, [LongWork(*row.values()) for row in rows]))


def find_peaks(samples: Sequence[PipelineSample], work: Sequence[LongWork] = ()) -> list[Peak]:
    """Return the highest peaks in the order of time.

    If the relay is behind, so are the others: only the first process in the flow is named.
    """
    found: list[tuple[int, int, Peak]] = []
    for track, process in TRACKS.items():
        for first, last in _find_spans(samples, track):
            if any(first <= other_last and other_first <= last
                   for other_first, other_last, _ in found):  # fmt: skip
                continue
            top = max(range(first, last + 1), key=lambda at: getattr(samples[at], track))
            peak = Peak(
                process, samples[top].sampled_at, getattr(samples[top], track),
                explain(samples, first, last, work),
            )  # fmt: skip
            found.append((first, last, peak))
    highest = sorted((peak for *_, peak in found), key=lambda peak: -peak.seconds)[:MAX_PEAKS]
    return sorted(highest, key=lambda peak: peak.at)


def _find_spans(samples: Sequence[PipelineSample], track: str) -> Iterator[tuple[int, int]]:
    """Yield the first and last index of each time in which a process was behind."""
    first = None
    for at, sample in enumerate(samples):
        if getattr(sample, track) >= PEAK_SECONDS:
            first = at if first is None else first
        elif first is not None:
            yield first, at - 1
            first = None
    if first is not None:
        yield first, len(samples) - 1


def explain(
    samples: Sequence[PipelineSample], first: int, last: int, work: Sequence[LongWork]
) -> str | None:
    """Return what happened shortly before or in a span of samples; None if that is not known."""
    around = samples[max(first - 2, 0) : last + 2]
    inside = samples[first : last + 1]
    reasons = []
    if len({sample.database_started_at for sample in around}) > 1:
        reasons.append("the database was restarted")
    if any(not sample.owners.get("relay") for sample in inside):
        reasons.append("no relay worked")
    reasons += _describe_owners(around[0].owners, around[-1].owners)
    if any(after.sampled_at - before.sampled_at > GAP
           for before, after in pairwise(around)):  # fmt: skip
        reasons.append("the timers process did not run")
    begin, end = around[0].sampled_at, around[-1].sampled_at
    for kind in {
        item.kind
        for item in work
        if item.began_at <= end and (item.ended_at is None or item.ended_at >= begin)
    }:
        reasons.append(f"an operator requested {kind.replace('_', ' ')}")  # fmt: skip
    if burst := _describe_burst(samples, around):
        reasons.append(burst)
    return ", ".join(reasons) or None


def _describe_owners(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> list[str]:
    reasons = []
    for key, process in PROCESSES.items():
        gone = set(before.get(key, ())) - set(after.get(key, ()))
        new = set(after.get(key, ())) - set(before.get(key, ()))
        if gone and new:
            reasons.append(f"{process} was restarted")
        elif gone or new:
            reasons.append(f"a process {process} {'ended' if gone else 'started'}")
    return reasons


def _describe_burst(
    samples: Sequence[PipelineSample], around: Sequence[PipelineSample]
) -> str | None:
    usual = median(count_events(sample) for sample in samples)
    most = max(around, key=count_events)
    if count_events(most) < max(BURST_EVENTS, BURST_FACTOR * usual):
        return None
    origin = max(
        (most.http_events, "by HTTP"), (most.intake_events, "by producers"),
        (most.other_events, "by the core, an import or the host"),
    )[1]  # fmt: skip
    return f"{count_events(most):,} events in {SAMPLE_SECONDS} s, most {origin}"


def count_events(sample: PipelineSample) -> int:
    """Return the events since the sample before."""
    return sample.http_events + sample.intake_events + sample.other_events
