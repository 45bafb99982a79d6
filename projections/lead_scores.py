"""`lead_scores`: how promising a lead is, one row per change of the result at its own instant.

Beside it a private state: the facts of each lead, its fold time, its current score, and when time
alone will change that next. Before an event is folded, everything time changed until then is
written at the instant it changed, so a late timer changes no row.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Select, Table, Text, Uuid, select, text
from sqlalchemy.dialects.postgresql import JSONB

from events.engagement import ENGAGEMENT_WEIGHTS, EngagementType, ScoreDue
from events.event import Event
from events.leads import LeadAdopted, LeadArrived, LeadCaptured, LeadImported, LeadUpdated
from events.record import Recorded
from events.tours import (
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
    TourStatus,
)
from events.uuids import QuickUUID
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.projection import (
    METADATA,
    STATE_SCHEMA,
    DerivedTable,
    Projection,
    Row,
    Tables,
)
from projections.scoring import v1
from projections.scoring.engagement import ENGAGING, engagements_of
from projections.scoring.facts import Facts, disengaged, engaged, expire, instant, micros

TABLE = Table(
    "lead_scores",
    METADATA,
    key(),
    refers("lead_id", "leads.id", "CASCADE"),
    Column("total_score", Integer, server_default=text("0")),
    Column("engagement_score", Integer, server_default=text("0")),
    Column("timing_score", Integer, server_default=text("0")),
    Column("source_score", Integer, server_default=text("0")),
    Column("completeness_score", Integer, server_default=text("0")),
    Column("behavior_score", Integer, server_default=text("0")),
    Column("score_bucket", Text, server_default="cold"),
    Column("factors", JSONB, server_default="[]"),
    Column("model_version", Text, server_default="v1.0"),
    Column("scored_at", INSTANT, server_default=NOW),
    org(),
    Column("property_id", Uuid),
    Column("revision", Integer),
    Index("idx_lead_scores_lead", "lead_id"),
    Index("idx_lead_scores_bucket", "score_bucket"),
    Index("idx_lead_scores_property", "property_id", "scored_at"),
)
STATE = Table(
    "lead_score_state",
    METADATA,
    Column("lead_id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("property_id", Uuid, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("fold_time", INSTANT, nullable=False),
    Column("next_change_at", INSTANT),
    Column("revision", Integer, nullable=False),
    Column("result", JSONB, nullable=False),
    Column("total_score", Integer),
    Column("scored_at", INSTANT),
    Index("lead_score_state_standing", "property_id", "total_score", "lead_id", "scored_at"),
    Index(
        "lead_score_state_next_change",
        "next_change_at",
        postgresql_where=text("next_change_at IS NOT NULL"),
    ),
    schema=STATE_SCHEMA,
)
projection = Projection(
    "lead_scores",
    version=3,
    table=DerivedTable(TABLE),
    state=DerivedTable(STATE, keyed_by=("lead_id",)),
)

TOUR_STATUS: dict[type[Event], TourStatus] = {
    TourScheduled: TourStatus.SCHEDULED,
    TourRescheduled: TourStatus.SCHEDULED,
    TourConfirmed: TourStatus.CONFIRMED,
    TourCompleted: TourStatus.COMPLETED,
    TourCancelled: TourStatus.CANCELLED,
    TourNoShowRecorded: TourStatus.NO_SHOW,
}


ARRIVED: set[type[Event]] = {LeadCaptured, LeadImported, LeadAdopted}
SCORED: set[type[Event]] = {
    *ENGAGING,
    *TOUR_STATUS,
    *ARRIVED,
    LeadUpdated,
    ScoreDue,
    TourNoShowCorrected,
}


@projection.on(*SCORED)
def happened(tables: Tables, fact: Recorded, event: Any) -> None:
    lead_id: UUID | None = event.lead_id
    if lead_id is None:
        return
    moment = fact.occurred_at
    at = now = micros(moment)
    kind = type(event)
    if kind in ARRIVED:
        state = _begin(tables, fact, event, at)
    else:
        state = tables.state.change(lead_id)
        if moment < state["fold_time"]:
            moment = state["fold_time"]
            now = micros(moment)
        _pass_time(tables, state, moment, now)
    facts: Facts = state["facts"]
    if (learn := LEARN.get(kind)) is not None:
        learn(facts, event, at)
    for engagement in engagements_of(fact):
        engaged(facts, at, engagement.score_weight, now)
    _record(tables, state, now)
    change = v1.next_change(facts, now)
    state["fold_time"] = moment
    state["next_change_at"] = None if change is None else instant(change)


def _begin(tables: Tables, fact: Recorded, event: LeadArrived, at: int) -> Row:
    facts: Facts = {
        "created": at,
        "source": event.source,
        "email": event.has_email,
        "phone": event.has_phone,
        "first_name": event.has_first_name,
        "last_name": event.has_last_name,
        "window": [],
        "engagements": 0,
        "tours": {},
    }
    state: Row = {
        "lead_id": event.lead_id,
        "org_id": fact.org_id,
        "property_id": fact.property_id,
        "facts": facts,
        "fold_time": fact.occurred_at,
        "next_change_at": None,
        "revision": 0,
        "result": [],
        "total_score": None,
        "scored_at": None,
    }
    tables.state.insert(event.lead_id, state)
    return state


def _toured(facts: Facts, event: Any, at: int) -> None:
    status = TOUR_STATUS[type(event)]
    missed_at = at if status is TourStatus.NO_SHOW else None
    facts["tours"][str(event.tour_id)] = [status.value, missed_at]


def _not_missed(facts: Facts, event: TourNoShowCorrected, _at: int) -> None:
    _, missed_at = facts["tours"].get(str(event.tour_id), (None, None))
    if isinstance(missed_at, int):
        disengaged(facts, missed_at, ENGAGEMENT_WEIGHTS[EngagementType.TOUR_NO_SHOW])
    facts["tours"][str(event.tour_id)] = [event.status.value, None]


def _updated(facts: Facts, event: LeadUpdated, _at: int) -> None:
    changes = event.changes
    facts["source"] = changes.get("source", facts["source"])
    for fact, flag in FLAGS.items():
        if changes.get(flag) is not None:
            facts[fact] = changes[flag]  # type: ignore[literal-required]


LEARN: dict[type[Event], Callable[[Facts, Any, int], None]] = {
    **dict.fromkeys(TOUR_STATUS, _toured),
    TourNoShowCorrected: _not_missed,
    LeadUpdated: _updated,
}
"""What an event says about a lead besides its engagement."""


FLAGS = {
    "email": "has_email",
    "phone": "has_phone",
    "first_name": "has_first_name",
    "last_name": "has_last_name",
}


def _pass_time(tables: Tables, state: Row, moment: datetime, until: int) -> None:
    """Write what time alone changed, each at its own instant, up to `moment`, which is `until`."""
    facts, change = state["facts"], state["next_change_at"]
    if change is not None and change <= moment:
        due: int | None = micros(change)
        while due is not None and due <= until:
            expire(facts, due)
            _record(tables, state, due)
            due = v1.next_change(facts, due)
    expire(facts, until)


def _record(tables: Tables, state: Row, at: int) -> None:
    """Add a row to the history where the result is another than the last."""
    result, said, factors = v1.told(state["facts"], at)
    if state["result"] == said:
        return
    state["revision"] = revision = state["revision"] + 1
    state["result"] = said
    state["total_score"] = result.total
    state["scored_at"] = scored_at = instant(at)
    lead_id = state["lead_id"]
    tables.rows.add(
        {
            "id": _row_id(lead_id, revision),
            "lead_id": lead_id,
            "total_score": result.total,
            "engagement_score": result.engagement,
            "timing_score": result.timing,
            "source_score": result.source,
            "completeness_score": result.completeness,
            "behavior_score": result.behavior,
            "score_bucket": result.bucket,
            "factors": factors,
            "model_version": v1.VERSION,
            "scored_at": scored_at,
            "org_id": state["org_id"],
            "property_id": state["property_id"],
            "revision": revision,
        }
    )


def _row_id(lead_id: UUID, revision: int) -> UUID:
    """The nth score of a lead has the same id in every rebuild, beside those of its time."""
    told = blake2b(lead_id.bytes + revision.to_bytes(4), digest_size=8).digest()
    found: UUID = QuickUUID(lead_id.bytes[:8] + told)
    return found


def newest(org_id: UUID, lead_id: UUID) -> "Select[Any]":
    """A lead's last score."""
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id, TABLE.c.lead_id == lead_id)
        .order_by(TABLE.c.revision.desc())
        .limit(1)
    )


def facts_of(property_id: UUID, lead_ids: Sequence[UUID]) -> "Select[Any]":
    """Of leads of one property, the facts their scores are made of."""
    mine = (STATE.c.property_id == property_id, STATE.c.lead_id.in_(lead_ids))
    return select(STATE.c.lead_id, STATE.c.facts).where(*mine)
