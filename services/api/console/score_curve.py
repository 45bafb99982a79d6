"""The curve of a score over time as shapes of an SVG: the server draws it, no script does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.api.console.times import describe_instant, parse_instant
from services.api.console.words import words_of

WIDTH, HEIGHT = 640, 160
LEFT, RIGHT, TOP, BOTTOM = 32, 8, 8, 24
MOVERS = {
    "engagement.recorded": "an engagement", "lead.captured": "first contact",
    "lead.imported": "the import", "lead.adopted": "the host's row", "lead.updated": "new details",
    "lead.merged": "a merge", "lead.unmerged": "the end of a merge",
    "conversation.started": "a chat", "conversation.message_received": "a chat message",
    "tour.scheduled": "a booked tour", "tour.completed": "a completed tour",
    "tour.cancelled": "a cancelled tour", "tour.no_show_recorded": "a tour without coming",
    "tour.no_show_corrected": "a corrected no-show",
}  # fmt: skip
"""Type of an event that moves a score → words; other types are shown as words of their own."""
PARTS = {"completeness": "contact details", "behavior": "tours"}
BUCKETS = ((70, "hot"), (45, "warm"), (20, "cold"))


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A change on the curve, with the text that a pointer shows."""

    id: str
    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """The shapes of a curve. `lines` are (y, score, name) of the buckets."""

    points: str
    marks: Sequence[CurvePoint]
    lines: Sequence[tuple[float, int, str]]
    first: str
    last: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def draw_curve(changes: Sequence[Mapping[str, Any]], now: datetime, zone: ZoneInfo) -> Curve | None:
    """Return the curve of changes, which are newest first; None without any.

    A score stays as it is until its next change, so the line has steps.
    """
    if not changes:
        return None
    begin = parse_instant(changes[-1]["scoredAt"])
    seconds = max((now - begin).total_seconds(), 1.0)

    def place(at: datetime) -> float:
        share = min(max((at - begin).total_seconds() / seconds, 0.0), 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    points: list[str] = []
    marks: list[CurvePoint] = []
    y = None
    for change in reversed(changes):
        x = place(parse_instant(change["scoredAt"]))
        if y is not None:
            points.append(f"{x},{y}")
        y = _height_of(change["totalScore"])
        points.append(f"{x},{y}")
        marks.append(CurvePoint(change["id"], x, y, _describe_mark(change, zone)))
    points.append(f"{WIDTH - RIGHT},{y}")
    return Curve(
        " ".join(points), marks, [(_height_of(score), score, name) for score, name in BUCKETS],
        describe_instant(begin, zone), "now",
    )  # fmt: skip


def describe_movers(change: Mapping[str, Any]) -> str:
    """Return what moved a score, in words: the events, or time."""
    if not change["events"]:
        return "time passed"
    types = [event["type"] for event in change["events"]]
    return ", ".join(dict.fromkeys(MOVERS.get(name) or words_of(name) for name in types))


def describe_parts(change: Mapping[str, Any]) -> str:
    """Return by how much each part of a score moved."""
    return ", ".join(f"{PARTS.get(part, part)} {by:+d}" for part, by in change["parts"].items())


def _describe_mark(change: Mapping[str, Any], zone: ZoneInfo) -> str:
    at = describe_instant(parse_instant(change["scoredAt"]), zone)
    return f"{at}: {change['totalScore']} ({change['change']:+d}), {describe_movers(change)}"


def _height_of(score: int) -> float:
    return round(TOP + (100 - score) / 100 * (HEIGHT - TOP - BOTTOM), 1)
