"""The plan's formula again, from its text, over plain lists of facts: what v1.0 is held against."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st

from projections.scoring.inputs import ScoringInputs, micros

EPOCH = datetime(2024, 2, 20, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
THIRTY_DAYS = timedelta(hours=720)


class Wanted(NamedTuple):
    """What the plan says a lead scores."""

    total: int
    engagement: int
    timing: int
    source: int
    completeness: int
    behavior: int
    bucket: str


@dataclass
class Lead:
    """Everything the formula looks at; `engagements` are (instant, weight) in any order."""

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
        """The same facts as the projection keeps them."""
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
        """Every instant at which time alone might change anything."""
        ages = {self.created + hours * HOUR for hours in (24, 72, 168, 336)}
        return ages | {at + THIRTY_DAYS for at, _ in self.engagements}


def plan(lead: Lead, now: datetime) -> Wanted:
    """What the plan's text says, at an instant."""
    completeness = sum(
        points
        for points, given in zip(
            (8, 6, 3, 3), (lead.email, lead.phone, lead.first_name, lead.last_name), strict=True
        )
        if given not in (None, "")
    )
    said = "".join(letter.lower()[0] for letter in lead.source or "")
    source = next(
        (points for word, points in (("referral", 15), ("google", 12), ("luma", 10),
                                     ("facebook", 8), ("meta", 8), ("website", 8))
         if said.find(word) >= 0),
        5,
    )  # fmt: skip
    recent = [w for at, w in lead.engagements if timedelta() <= now - at < THIRTY_DAYS]
    engagement = min(sum(recent), 40)
    hours = (now - lead.created) / HOUR
    younger = [
        points for limit, points in ((24, 15), (72, 12), (168, 8), (336, 5)) if hours < limit
    ]
    timing = younger[0] if younger else 2
    stands = set(lead.tours.values())
    behavior = 0
    for statuses, points in (
        ({"no_show"}, -5), ({"scheduled", "confirmed"}, 8), ({"completed"}, 10),
    ):  # fmt: skip
        if statuses & stands:
            behavior = points
    total = sorted((0, completeness + source + engagement + timing + behavior, 100))[1]
    bucket = ["unqualified", "cold", "warm", "hot"][(total >= 20) + (total >= 45) + (total >= 70)]
    return Wanted(total, engagement, timing, source, completeness, behavior, bucket)


SAID = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "Google", 'a "quoted" GOOGLE', "refeRRal/luma", "Luma widget", "Facebook 🏠", "meta'd"]
    ),
    st.text(alphabet="GgOolLeEuUmMaAwWbBsſSiİıIttk\u212a\"'\\{}%_ 🏠", max_size=12),
    st.sampled_from(["website", "facebook", "google", "referral", "luma", "meta"]).flatmap(
        lambda word: st.tuples(*(st.sampled_from(_spellings(letter)) for letter in word)).map(
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
GIVEN = st.sampled_from([None, "", "x", '"', "🏠"])


@st.composite
def leads_at(draw: st.DrawFn) -> tuple[Lead, datetime]:
    """A lead and an instant that none of its facts is later than."""
    now = EPOCH + draw(AGES)
    ages = draw(st.lists(AGES, max_size=8))
    lead = Lead(
        created=now - draw(AGES),
        source=draw(SAID),
        email=draw(GIVEN),
        phone=draw(GIVEN),
        first_name=draw(GIVEN),
        last_name=draw(GIVEN),
        engagements=[(now - age, draw(WEIGHTS)) for age in ages],
        tours={str(n): s for n, s in enumerate(draw(st.lists(st.sampled_from(STATUSES))))},
    )
    return lead, now


def _spellings(letter: str) -> str:
    """Letters that a database and Python may or may not take for this one."""
    return {"s": "sSſ", "i": "iIİı", "k": "kK\u212a"}.get(letter, letter + letter.upper())
