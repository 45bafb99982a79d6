"""Charts of the last hour as shapes of an SVG, and the same as rows of a table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from services.application.pipeline_samples import SAMPLE_SECONDS, PipelineSample
from services.application.pipeline_trend import GAP, SPAN

WIDTH, HEIGHT = 1000, 120
SPARK_WIDTH, SPARK_HEIGHT = 120, 24
BUCKET_SECONDS = 30
"""Samples that are drawn as one point: the highest of them."""
MIN_TOP = 1.0
"""The least upper end of an axis: a lag of milliseconds shall look like one."""

Value = Callable[[PipelineSample], float]


@dataclass(frozen=True, slots=True)
class TrendLine:
    """A line with a name. Each of `parts` is drawn alone: between them nobody looked."""

    name: str
    style: str
    parts: Sequence[str]


@dataclass(frozen=True, slots=True)
class TrendChart:
    """Lines over the last hour, from zero to `top`."""

    lines: Sequence[TrendLine]
    top: float
    unit: str
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class TrendMinute:
    """A minute as a row: the highest lags, the sums of events, and the last counts."""

    at: datetime
    relay_seconds: float
    projection_seconds: float
    policy_seconds: float
    projection_events: int
    policy_events: int
    http_events: int
    intake_events: int
    other_events: int
    messages: int
    timers_due: int
    parked: int
    refused: int
    held: int


def draw_lags(samples: Sequence[PipelineSample], now: datetime) -> TrendChart:
    """Return the seconds that tables and policies were behind."""
    return _draw(samples, now, "s", {
        "tables": ("mark", lambda sample: sample.projection_seconds),
        "policies": ("mark second", lambda sample: sample.policy_seconds),
    })  # fmt: skip


def draw_rates(samples: Sequence[PipelineSample], now: datetime) -> TrendChart:
    """Return the events a second by HTTP and by producers."""
    return _draw(samples, now, "/s", {
        "HTTP": ("mark", lambda sample: sample.http_events / SAMPLE_SECONDS),
        "intake": ("mark second", lambda sample: sample.intake_events / SAMPLE_SECONDS),
    })  # fmt: skip


def draw_spark(samples: Sequence[PipelineSample], now: datetime, field: str) -> Sequence[str]:
    """Return the lines of a small chart of one field."""
    values = list(_points(samples, lambda sample: float(getattr(sample, field))))
    top = max([MIN_TOP, *(value for _, value in values)])
    return _join(values, now, top, SPARK_WIDTH, SPARK_HEIGHT)


def list_minutes(samples: Sequence[PipelineSample]) -> list[TrendMinute]:
    """Return the minutes, the newest first."""
    minutes = []
    for at, group in groupby(samples, lambda item: item.sampled_at.replace(second=0)):
        inside = list(group)
        last = inside[-1]
        minutes.append(TrendMinute(
            at, max(item.relay_seconds for item in inside),
            max(item.projection_seconds for item in inside),
            max(item.policy_seconds for item in inside),
            max(item.projection_events for item in inside),
            max(item.policy_events for item in inside),
            sum(item.http_events for item in inside), sum(item.intake_events for item in inside),
            sum(item.other_events for item in inside), sum(item.messages for item in inside),
            last.timers_due, last.parked, last.refused, last.held,
        ))  # fmt: skip
    return minutes[::-1]


def _draw(
    samples: Sequence[PipelineSample], now: datetime, unit: str,
    lines: dict[str, tuple[str, Value]],
) -> TrendChart:  # fmt: skip
    values = {name: list(_points(samples, value)) for name, (_, value) in lines.items()}
    top = max([MIN_TOP, *(height for points in values.values() for _, height in points)])
    return TrendChart(
        [TrendLine(name, style, _join(values[name], now, top, WIDTH, HEIGHT))
         for name, (style, _) in lines.items()], top, unit,
    )  # fmt: skip


def _points(samples: Sequence[PipelineSample], value: Value) -> Iterator[tuple[datetime, float]]:
    """Yield the time and the highest value of each bucket of samples."""

    def bucket_of(sample: PipelineSample) -> int:
        return int(sample.sampled_at.timestamp()) // BUCKET_SECONDS

    for _, group in groupby(samples, bucket_of):
        inside = list(group)
        yield inside[-1].sampled_at, max(map(value, inside))


def _join(
    values: Sequence[tuple[datetime, float]], now: datetime, top: float, width: int, height: int
) -> list[str]:
    """Return the points of each line, as an SVG has them."""
    begin, parts, before = now - SPAN, list[list[str]](), None
    for at, value in values:
        if before is None or at - before > GAP + timedelta(seconds=BUCKET_SECONDS):
            parts.append([])
        x = min(max((at - begin) / SPAN, 0.0), 1.0) * width
        parts[-1].append(f"{x:.0f},{height * (1 - value / top):.1f}")
        before = at
    return [" ".join(part) for part in parts]
