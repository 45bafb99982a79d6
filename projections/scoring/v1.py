"""Scoring model v1.0: the function `score_lead` of the plan, number for number, as pure functions.

Intended differences: the instant is a parameter, days have 24 hours, an event after the instant
does not count, a missing source is named "unknown", and the factors sum to the total.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import md5
from typing import Any, NamedTuple, TypedDict

import orjson

from projections.scoring.inputs import DAY, WINDOW, ScoringInputs

VERSION = "v1.0"
ENGAGEMENT_CAP = 40
HIGH_ENGAGEMENT = 20
BUCKETS = ((70, "hot"), (45, "warm"), (20, "cold"))
AGES = ((DAY, 15), (3 * DAY, 12), (7 * DAY, 8), (14 * DAY, 5))
"""(age limit in microseconds, points for timing of a younger lead); an older lead gets `OLDEST`."""
OLDEST = 2
SOURCES = ((("referral",), 15), (("google",), 12), (("luma",), 10), (("facebook", "meta"), 8),
           (("website",), 8))  # fmt: skip
OTHER_SOURCE = 5
LIMIT = "Limit"
"""The factor that keeps a score between 0 and 100; it explains nothing."""
COUNT = re.compile(r" \(\d+ events\)\Z", re.ASCII)


class Factor(TypedDict):
    """A named part of a score; `impact` is a signed number as text, for example `+8`."""

    factor: str
    impact: str
    type: str


class Score(NamedTuple):
    """The result of the model; the factors sum to `total`."""

    total: int
    engagement: int
    timing: int
    source: int
    completeness: int
    behavior: int
    bucket: str
    factors: list[Factor]


class StoredScore(NamedTuple):
    """A score with the values that are stored, encoded once for equal scores."""

    score: Score
    as_list: list[Any]
    factors_json: bytes
    factors_key: int


def score(inputs: ScoringInputs, as_of: int) -> Score:
    """Return the score at an instant in microseconds since 1970. It is shared: do not change it."""
    return score_to_store(inputs, as_of).score


def score_to_store(inputs: ScoringInputs, as_of: int) -> StoredScore:
    """Return the score with its stored values."""
    engagement = engagement_score(inputs, as_of)
    return _result(
        inputs["email"], inputs["phone"], inputs["first_name"], inputs["last_name"],
        inputs["source"],
        engagement, inputs["engagements"] if engagement > HIGH_ENGAGEMENT else None,
        timing_score(as_of - inputs["created"]), behavior_score(inputs),
    )  # fmt: skip


@lru_cache(maxsize=4_096)
def _result(
    email: bool, phone: bool, first_name: bool, last_name: bool, source: str | None,
    engagement: int, engagements: int | None, timing: int, behavior: int,
) -> StoredScore:  # fmt: skip
    """Return the same object for equal arguments.

    `engagements` is the number of engagements if it is shown as a factor.
    """
    factors: list[Factor] = []
    names = 3 * first_name + 3 * last_name
    if email:
        factors.append(_factor("Email provided", 8))
    if phone:
        factors.append(_factor("Phone provided", 6))
    if names:
        factors.append(_factor("Name", names))
    completeness = 8 * email + 6 * phone + names
    source_points = source_score(source)
    factors.append(_factor(f"Source: {source or 'unknown'}", source_points))
    if engagements is not None:
        factors.append(_factor(f"High engagement ({engagements} events)", engagement))
    elif engagement:
        factors.append(_factor("Engagement", engagement))
    factors.append(_factor("Timing", timing))
    if behavior:
        factors.append(_factor("Tour activity" if behavior > 0 else "Tour no-show", behavior))
    sum_of_factors = completeness + source_points + engagement + timing + behavior
    total = max(0, min(100, sum_of_factors))
    if total != sum_of_factors:
        factors.append(_factor(LIMIT, total - sum_of_factors))
    result = Score(
        total, engagement, timing, source_points, completeness, behavior, bucket_of(total), factors
    )
    return StoredScore(result, list(result), orjson.dumps(factors), factors_key(factors))


def factors_key(factors: Sequence[Factor]) -> int:
    """Return a number that is equal for equal names and types of factors, as insights count them.

    The impacts, the number of events and `LIMIT` do not count.
    """
    names = [
        f"{item['type']} {COUNT.sub('', item['factor'])}\n"
        for item in factors
        if item["factor"] != LIMIT
    ]
    digest = md5("".join(names).encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], signed=True)


def next_change(inputs: ScoringInputs, now: int) -> int | None:
    """Return the first instant after `now` at which time alone changes the score, or None."""
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
    remaining = sum([weight for _, weight in window])
    points = min(ENGAGEMENT_CAP, remaining)
    for number, (at, weight) in enumerate(window, start=1):
        if change is not None and at + WINDOW >= change:
            return change
        remaining -= weight
        is_last_of_instant = number == len(window) or window[number][0] != at
        if is_last_of_instant and min(ENGAGEMENT_CAP, remaining) != points:
            return at + WINDOW
    return change


def bucket_of(total: int) -> str:
    """Return hot, warm, cold or unqualified."""
    for minimum, bucket in BUCKETS:
        if total >= minimum:
            return bucket
    return "unqualified"


@lru_cache(maxsize=1_024)
def source_score(source: str | None) -> int:
    """Return the points of a source.

    Each character is lowered by itself, as PostgreSQL's ILIKE does.
    """
    text = "".join(character.lower()[0] for character in source or "")
    for words, points in SOURCES:
        if any(word in text for word in words):
            return points
    return OTHER_SOURCE


def timing_score(age: int) -> int:
    """Return the points for an age in microseconds."""
    for limit, points in AGES:
        if age < limit:
            return points
    return OLDEST


def engagement_score(inputs: ScoringInputs, as_of: int) -> int:
    """Return the sum of the weights of the last 30 days, at most 40; it may be negative."""
    window, low = inputs["window"], as_of - WINDOW
    if window and (window[0][0] <= low or window[-1][0] > as_of):
        window = [entry for entry in window if low < entry[0] <= as_of]
    return min(sum([weight for _, weight in window]), ENGAGEMENT_CAP)


def behavior_score(inputs: ScoringInputs) -> int:
    """Return the points for tours: the best status of any tour counts."""
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
