"""`lead_scores`: how promising a lead is, one row per change of the result at its own instant.

Beside it a private state: the facts of each lead, its fold time, its current score, and when time
alone will change that next. Before an event is folded, everything time changed until then is
written at the instant it changed, so a late timer changes no row.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Select, Table, Text, Uuid, select, text
from sqlalchemy.dialects.postgresql import JSONB

from events.engagements import ScoreDue
from events.event import Event
from events.leads import (
    LeadAdopted,
    LeadArrived,
    LeadCaptured,
    LeadImported,
    LeadMerged,
    LeadUnmerged,
    LeadUpdated,
)
from events.record import RecordedEvent
from events.tours import TourNoShowCorrected
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
from projections.scoring import merged_leads, v1
from projections.scoring.engagement import ENGAGING, engagements_of
from projections.scoring.evolution import LEARN, TOUR_STATUS, first_known
from projections.scoring.inputs import ScoringInputs, engaged, expire, instant, micros, together

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
    Column("merged_into", Uuid),
    Column("merged", JSONB),
    Index("lead_score_state_standing", "property_id", "total_score", "lead_id", "scored_at"),
    Index(
        "lead_score_state_merged_into",
        "merged_into",
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
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
    state=DerivedTable(
        STATE, keyed_by=("lead_id", "loser_id", "winner_id"), follows=("merged_into", "merged")
    ),
)
"""A lead's `facts` are its own, merged or not; `merged` are the leads merged into it, null while it
is no part of a merge. Time passes for the one at the top only: see `merging`."""

NO_SCORE: Row = {"result": (), "total_score": None, "scored_at": None, "next_change_at": None}
"""Of a lead before its first score, and as long as it is merged into another."""

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
def happened(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
    lead_id: UUID | None = event.lead_id
    if lead_id is None:
        return
    moment = recorded.occurred_at
    at = now = micros(moment)
    kind = type(event)
    if kind in ARRIVED:
        state = _begin(tables, recorded, event, at)
    else:
        state = tables.state.change(lead_id)
        if state["merged"] is not None:
            _happened_to_one_of_several(tables, recorded, event, state)
            return
        if moment < state["fold_time"]:
            moment = state["fold_time"]
            now = micros(moment)
        _pass_time(tables, state, state["facts"], moment, now)
    inputs: ScoringInputs = state["facts"]
    if (learn := LEARN.get(kind)) is not None:
        learn(inputs, event, at)
    for engagement in engagements_of(recorded):
        engaged(inputs, at, engagement.score_weight, now)
    _settle(tables, state, inputs, moment, now)


def _begin(tables: Tables, recorded: RecordedEvent, event: LeadArrived, at: int) -> Row:
    state: Row = {
        "lead_id": event.lead_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "facts": first_known(event, at),
        "fold_time": recorded.occurred_at,
        "revision": 0,
        **NO_SCORE,
        "merged_into": None,
        "merged": None,
    }
    tables.state.insert(event.lead_id, state)
    return state


def _happened_to_one_of_several(
    tables: Tables, recorded: RecordedEvent, event: Any, own: Row
) -> None:
    """What happened to a merged lead is its own; the score is that of the lead at the top."""
    top = merged_leads.top_of(tables.state, own)
    moment = max(recorded.occurred_at, top["fold_time"])
    at, now = micros(recorded.occurred_at), micros(moment)
    _pass_time(tables, top, merged_leads.whole(tables.state, top), moment, now)
    inputs: ScoringInputs = own["facts"]
    expire(inputs, now)
    if (learn := LEARN.get(type(event))) is not None:
        learn(inputs, event, at)
    for engagement in engagements_of(recorded):
        engaged(inputs, at, engagement.score_weight, now)
    _settle(tables, top, merged_leads.whole(tables.state, top), moment, now)


@projection.on(LeadMerged)
def merged(tables: Tables, recorded: RecordedEvent, event: LeadMerged) -> None:
    """Time has passed for both until then; from then on it passes for the winner."""
    state = tables.state
    loser, winner = state.change(event.loser_id), state.change(event.winner_id)
    top = merged_leads.top_of(state, winner)
    moment = max(recorded.occurred_at, loser["fold_time"], top["fold_time"])
    now = micros(moment)
    for each in (loser, top):
        _pass_time(tables, each, merged_leads.whole(state, each), moment, now)
    merged_leads.tie(loser, winner, top)
    loser.update(NO_SCORE, fold_time=moment)
    _settle(tables, top, merged_leads.whole(state, top), moment, now)


@projection.on(LeadUnmerged)
def unmerged(tables: Tables, recorded: RecordedEvent, event: LeadUnmerged) -> None:
    """Both are scored anew, at that moment: the loser's history goes on with a row."""
    state = tables.state
    loser, winner = state.change(event.loser_id), state.change(event.winner_id)
    top = merged_leads.top_of(state, winner)
    moment = max(recorded.occurred_at, top["fold_time"])
    now = micros(moment)
    _pass_time(tables, top, merged_leads.whole(state, top), moment, now)
    merged_leads.untie(loser, winner)
    for each in (top, loser):
        inputs = merged_leads.whole(state, each)
        expire(inputs, now)
        _settle(tables, each, inputs, moment, now)


def _pass_time(
    tables: Tables, state: Row, inputs: ScoringInputs, moment: datetime, until: int
) -> None:
    """Write what time alone changed, each at its own instant, up to `moment`, which is `until`."""
    change = state["next_change_at"]
    if change is not None and change <= moment:
        due: int | None = micros(change)
        while due is not None and due <= until:
            expire(inputs, due)
            _record(tables, state, inputs, due)
            due = v1.next_change(inputs, due)
    expire(inputs, until)


def _settle(tables: Tables, state: Row, inputs: ScoringInputs, moment: datetime, now: int) -> None:
    """The state after what happened at `moment`, which is `now`."""
    _record(tables, state, inputs, now)
    change = v1.next_change(inputs, now)
    state["fold_time"] = moment
    state["next_change_at"] = None if change is None else instant(change)


def _record(tables: Tables, state: Row, inputs: ScoringInputs, at: int) -> None:
    """Add a row to the history where the result is another than the last."""
    result, said, factors = v1.told(inputs, at)
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


def inputs_below(property_id: UUID, lead_ids: Sequence[UUID]) -> "Select[Any]":
    """Of leads that stand for themselves, their own facts and those of all merged into them, as
    (`top`, `lead_id`, `facts`): see `whole_facts`."""
    mine = STATE.c.property_id == property_id
    own = select(STATE.c.lead_id.label("top"), STATE.c.lead_id, STATE.c.inputs)
    below = own.where(mine, STATE.c.lead_id.in_(lead_ids)).cte("below", recursive=True)
    losers = select(below.c.top, STATE.c.lead_id, STATE.c.inputs)
    below = below.union_all(losers.join(below, STATE.c.merged_into == below.c.lead_id).where(mine))
    return select(below)


def whole_inputs(rows: Sequence[Any]) -> dict[UUID, ScoringInputs]:
    """Lead → the facts its score is made of, from the rows of `facts_below`."""
    own = {row.top: row.inputs for row in rows if row.top == row.lead_id}
    others: dict[UUID, list[ScoringInputs]] = {}
    for row in rows:
        if row.top != row.lead_id:
            others.setdefault(row.top, []).append(row.inputs)
    return own | {top: together(own[top], found) for top, found in others.items()}
