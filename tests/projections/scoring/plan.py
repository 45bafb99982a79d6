"""An independent implementation of the plan's formula over plain lists, to compare with v1.0."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st

from projections.scoring.inputs import ScoringInputs, micros

EPOCH = datetime(2024, 2, 20, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
THIRTY_DAYS = timedelta(hours=720)


class PlanScore(NamedTuple):
    """The score of a lead according to the plan."""

    total: int
    engagement: int
    timing: int
    source: int
    completeness: int
    behavior: int
    bucket: str


@dataclass
class Lead:
    """The values of the formula; `engagements` are (instant, weight) in any order."""

    created: datetime = EPOCH
    source: str | None = None
    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    engagements: list[tuple[datetime, int]] = field(default_factory=list)
    tours: dict[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> ScoringInputs:
        """Return the values as the projection stores them."""
        return {
            "created": micros(self.created),
            "source": self.source,
            "email": bool(self.email),
            "phone": bool(self.phone),
            "first_name": bool(self.first_name),
            "last_name": bool(self.last_name),
            "window": sorted([micros(at), weight] for at, weight in self.engagements),
            "engagements": len(self.engagements),
            "tours": {tour: [status, None] for tour, status in self.tours.items()},
        }

    def candidates(self) -> set[datetime]:
        """Return every instant at which time alone may change the score."""
        ages = {self.created + hours * HOUR for hours in (24, 72, 168, 336)}
        return ages | {at + THIRTY_DAYS for at, _ in self.engagements}


def plan(lead: Lead, now: datetime) -> PlanScore:
    """Return the score at an instant, computed from the text of the plan."""
    completeness = sum(
        points
        for points, value in zip(
            (8, 6, 3, 3), (lead.email, lead.phone, lead.first_name, lead.last_name), strict=True
        )
        if value not in (None, "")
    )
    source_text = "".join(character.lower()[0] for character in lead.source or "")
    source = next(
        (points for word, points in (("referral", 15), ("google", 12), ("luma", 10),
                                     ("facebook", 8), ("meta", 8), ("website", 8))
         if source_text.find(word) >= 0),
        5,
    )  # fmt: skip
    recent = [weight for at, weight in lead.engagements if timedelta() <= now - at < THIRTY_DAYS]
    engagement = min(sum(recent), 40)
    hours = (now - lead.created) / HOUR
    points_by_age = [
        points for limit, points in ((24, 15), (72, 12), (168, 8), (336, 5)) if hours < limit
    ]
    timing = points_by_age[0] if points_by_age else 2
    tour_statuses = set(lead.tours.values())
    behavior = 0
    for statuses, points in (
        ({"no_show"}, -5), ({"scheduled", "confirmed"}, 8), ({"completed"}, 10),
    ):  # fmt: skip
        if statuses & tour_statuses:
            behavior = points
    total = sorted((0, completeness + source + engagement + timing + behavior, 100))[1]
    bucket = ["unqualified", "cold", "warm", "hot"][(total >= 20) + (total >= 45) + (total >= 70)]
    return PlanScore(total, engagement, timing, source, completeness, behavior, bucket)


SOURCE_TEXTS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "Google", 'a "quoted" GOOGLE', "refeRRal/luma", "Luma widget", "Facebook 🏠", "meta'd"]
    ),
    st.text(alphabet="GgOolLeEuUmMaAwWbBsſSiİıIttk\u212a\"'\\{}%_ 🏠", max_size=12),
    st.sampled_from(["website", "facebook", "google", "referral", "luma", "meta"]).flatmap(
        lambda word: st.tuples(*(st.sampled_from(_spellings(character)) for character in word)).map(
            "".join
        )
    ),
)
WEIGHTS = st.sampled_from([3, 5, 8, 10, 12, 15, 20, 25, 30, 35, 40, -25, -3, 0])
AGES = st.one_of(
    st.integers(0, 40 * 24).map(lambda hours: hours * HOUR),
    st.sampled_from([hours * HOUR for hours in (0, 24, 72, 168, 336, 720)]).flatmap(
        lambda age: st.sampled_from([age, age + TICK, max(age - TICK, timedelta())])
    ),
    st.timedeltas(timedelta(), timedelta(days=60)),
)
STATUSES = ("scheduled", "confirmed", "completed", "cancelled", "no_show")
CONTACT_VALUES = st.sampled_from([None, "", "x", '"', "🏠"])


@st.composite
def leads_at(draw: st.DrawFn) -> tuple[Lead, datetime]:
    """Draw a lead, and an instant after all its engagements."""
    now = EPOCH + draw(AGES)
    ages = draw(st.lists(AGES, max_size=8))
    lead = Lead(
        created=now - draw(AGES),
        source=draw(SOURCE_TEXTS),
        email=draw(CONTACT_VALUES),
        phone=draw(CONTACT_VALUES),
        first_name=draw(CONTACT_VALUES),
        last_name=draw(CONTACT_VALUES),
        engagements=[(now - age, draw(WEIGHTS)) for age in ages],
        tours={str(n): s for n, s in enumerate(draw(st.lists(st.sampled_from(STATUSES))))},
    )
    return lead, now


def _spellings(character: str) -> str:
    """Return letters that PostgreSQL or Python may treat as this one."""
    return {"s": "sSſ", "i": "iIİı", "k": "kK\u212a"}.get(character, character + character.upper())
