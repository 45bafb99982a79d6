"""Scoring model v1.0: the plan's `score_lead`, number for number, as a pure function.

What differs by intent: the clock is a parameter, days are 24 hours, an event after that instant
does not count, a missing source is called "unknown", and the factors sum to the total.
"""

from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

import orjson

from projections.scoring.inputs import DAY, WINDOW, ScoringInputs

VERSION = "v1.0"
ENGAGEMENT_CAP = 40
HIGH_ENGAGEMENT = 20
BUCKETS = ((70, "hot"), (45, "warm"), (20, "cold"))
AGES = ((DAY, 15), (3 * DAY, 12), (7 * DAY, 8), (14 * DAY, 5))
"""A lead younger than this many microseconds scores that much for timing; an older one 2."""
OLDEST = 2
SOURCES = ((("referral",), 15), (("google",), 12), (("luma",), 10), (("facebook", "meta"), 8),
           (("website",), 8))  # fmt: skip
OTHER_SOURCE = 5


class Factor(TypedDict):
    """Why a score is what it is; `impact` is signed text, as clients show it."""

    factor: str
    impact: str
    type: str


class Score(NamedTuple):
    """A result of the model; `factors` sum to `total`."""

    total: int
    engagement: int
    timing: int
    source: int
    completeness: int
    behavior: int
    bucket: str
    factors: list[Factor]


class Told(NamedTuple):
    """A score with what it looks like where it is kept: told once for the same parts."""

    score: Score
    as_list: list[Any]
    factors_json: bytes


def score(inputs: ScoringInputs, as_of: int) -> Score:
    """The score of a lead at an instant (microseconds since 1970). Nobody changes its factors."""
    return told(inputs, as_of).score


def told(inputs: ScoringInputs, as_of: int) -> Told:
    """The same, to be kept."""
    engagement = engagement_score(inputs, as_of)
    return _result(
        inputs["email"], inputs["phone"], inputs["first_name"], inputs["last_name"], inputs["source"],
        engagement, inputs["engagements"] if engagement > HIGH_ENGAGEMENT else None,
        timing_score(as_of - inputs["created"]), behavior_score(inputs),
    )  # fmt: skip


@lru_cache(maxsize=4_096)
def _result(
    email: bool, phone: bool, first_name: bool, last_name: bool, source: str | None,
    engagement: int, engagements: int | None, timing: int, behavior: int,
) -> Told:  # fmt: skip
    """One object for the same parts of whichever lead; `engagements` where there are many."""
    factors: list[Factor] = []
    names = 3 * first_name + 3 * last_name
    if email:
        factors.append(_factor("Email provided", 8))
    if phone:
        factors.append(_factor("Phone provided", 6))
    if names:
        factors.append(_factor("Name", names))
    completeness = 8 * email + 6 * phone + names
    found_at = source_score(source)
    factors.append(_factor(f"Source: {source or 'unknown'}", found_at))
    if engagements is not None:
        factors.append(_factor(f"High engagement ({engagements} events)", engagement))
    elif engagement:
        factors.append(_factor("Engagement", engagement))
    factors.append(_factor("Timing", timing))
    if behavior:
        factors.append(_factor("Tour activity" if behavior > 0 else "Tour no-show", behavior))
    whole = completeness + found_at + engagement + timing + behavior
    total = max(0, min(100, whole))
    if total != whole:
        factors.append(_factor("Limit", total - whole))
    result = Score(
        total, engagement, timing, found_at, completeness, behavior, bucket_of(total), factors
    )
    return Told(result, list(result), orjson.dumps(factors))


def next_change(inputs: ScoringInputs, now: int) -> int | None:
    """The first instant after `now` at which time alone changes the score."""
    created = inputs["created"]
    change = None
    for limit, _ in AGES:
        if created + limit > now:
            change = created + limit
            break
    window = inputs["window"]
    if window and window[0][0] <= now - WINDOW:
        window = [entry for entry in window if entry[0] > now - WINDOW]
    if not window or (change is not None and window[0][0] + WINDOW >= change):
        return change
    left = sum([weight for _, weight in window])
    held = min(ENGAGEMENT_CAP, left)
    for number, (at, weight) in enumerate(window, start=1):
        if change is not None and at + WINDOW >= change:
            break
        left -= weight
        last_of_instant = number == len(window) or window[number][0] != at
        if last_of_instant and min(ENGAGEMENT_CAP, left) != held:
            return at + WINDOW
    return change


def bucket_of(total: int) -> str:
    for least, bucket in BUCKETS:
        if total >= least:
            return bucket
    return "unqualified"


@lru_cache(maxsize=1_024)
def source_score(source: str | None) -> int:
    """Letter by letter in lower case, as PostgreSQL's ILIKE compares."""
    text = "".join(letter.lower()[0] for letter in source or "")
    for words, points in SOURCES:
        if any(word in text for word in words):
            return points
    return OTHER_SOURCE


def timing_score(age: int) -> int:
    for limit, points in AGES:
        if age < limit:
            return points
    return OLDEST


def engagement_score(inputs: ScoringInputs, as_of: int) -> int:
    """The weights of the last 30 days, at most 40; there is no lower bound."""
    low = as_of - WINDOW
    return min(
        sum([weight for at, weight in inputs["window"] if low < at <= as_of]), ENGAGEMENT_CAP
    )


def behavior_score(inputs: ScoringInputs) -> int:
    if not inputs["tours"]:
        return 0
    statuses = {status for status, _ in inputs["tours"].values()}
    if "completed" in statuses:
        return 10
    if statuses & {"scheduled", "confirmed"}:
        return 8
    return -5 if "no_show" in statuses else 0


def _factor(name: str, impact: int) -> Factor:
    return {
        "factor": name,
        "impact": f"{impact:+d}",
        "type": "positive" if impact >= 0 else "negative",
    }
