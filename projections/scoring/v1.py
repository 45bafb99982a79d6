"""Scoring model v1.0: the plan's `score_lead`, number for number, as a pure function.

What differs by intent: the clock is a parameter, days are 24 hours, an event after that instant
does not count, a missing source is called "unknown", and the factors sum to the total.
"""

from functools import lru_cache
from typing import NamedTuple, TypedDict

from projections.scoring.facts import DAY, WINDOW, Facts

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


def score(facts: Facts, as_of: int) -> Score:
    """The score of a lead at an instant (microseconds since 1970)."""
    factors: list[Factor] = []
    completeness = _completeness(facts, factors)
    source = source_score(facts["source"])
    factors.append(_factor(f"Source: {facts['source'] or 'unknown'}", source))
    engagement = engagement_score(facts, as_of)
    if engagement > HIGH_ENGAGEMENT:
        factors.append(_factor(f"High engagement ({facts['engagements']} events)", engagement))
    elif engagement:
        factors.append(_factor("Engagement", engagement))
    timing = timing_score(as_of - facts["created"])
    factors.append(_factor("Timing", timing))
    behavior = behavior_score(facts)
    if behavior:
        factors.append(_factor("Tour activity" if behavior > 0 else "Tour no-show", behavior))
    whole = completeness + source + engagement + timing + behavior
    total = max(0, min(100, whole))
    if total != whole:
        factors.append(_factor("Limit", total - whole))
    return Score(
        total, engagement, timing, source, completeness, behavior, bucket_of(total), factors
    )


def next_change(facts: Facts, now: int) -> int | None:
    """The first instant after `now` at which time alone changes the score."""
    created = facts["created"]
    change = None
    for limit, _ in AGES:
        if created + limit > now:
            change = created + limit
            break
    window = facts["window"]
    if window and window[0][0] <= now - WINDOW:
        window = [entry for entry in window if entry[0] > now - WINDOW]
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


def engagement_score(facts: Facts, as_of: int) -> int:
    """The weights of the last 30 days, at most 40; there is no lower bound."""
    low = as_of - WINDOW
    return min(sum([weight for at, weight in facts["window"] if low < at <= as_of]), ENGAGEMENT_CAP)


def behavior_score(facts: Facts) -> int:
    if not facts["tours"]:
        return 0
    statuses = {status for status, _ in facts["tours"].values()}
    if "completed" in statuses:
        return 10
    if statuses & {"scheduled", "confirmed"}:
        return 8
    return -5 if "no_show" in statuses else 0


def _completeness(facts: Facts, factors: list[Factor]) -> int:
    names = 3 * facts["first_name"] + 3 * facts["last_name"]
    if facts["email"]:
        factors.append(_factor("Email provided", 8))
    if facts["phone"]:
        factors.append(_factor("Phone provided", 6))
    if names:
        factors.append(_factor("Name", names))
    return 8 * facts["email"] + 6 * facts["phone"] + names


@lru_cache(maxsize=4_096)
def _factor(name: str, impact: int) -> Factor:
    """One object for the same factor of whichever lead: nobody changes it."""
    return {
        "factor": name,
        "impact": f"{impact:+d}",
        "type": "positive" if impact >= 0 else "negative",
    }
