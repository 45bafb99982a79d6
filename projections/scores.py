"""`lead_scores`: the score history of leads, one row for each change at its own instant.

The private state table has for each lead the scoring inputs, the fold time, the current score and
the next change time. Before an event is folded, all changes by time until then are added at their
own instants. So a late timer changes no row.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from events.event import Event
from events.leads import LeadAdopted, LeadArrived, LeadCaptured, LeadImported, LeadUpdated
from events.merges import LeadMerged, LeadUnmerged
from events.record import RecordedEvent
from events.restrictions import LeadRestricted, LeadRestrictionLifted
from events.scores import ScoreDue
from events.tours import TourNoShowCorrected
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, STATE_SCHEMA, DerivedTable, Row
from projections.engine.projection import Projection, Tables
from projections.score_history import add_changes_by_time, update_state
from projections.scoring import merged_leads
from projections.scoring.engagement import ENGAGING, engagements_of
from projections.scoring.input_changes import INPUT_CHANGES, TOUR_STATUS, initial_inputs
from projections.scoring.inputs import ScoringInputs, add_engagement, expire, micros

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
    Column("inputs", JSONB, nullable=False),
    Column("fold_time", INSTANT, nullable=False),
    Column("next_change_at", INSTANT),
    Column("revision", Integer, nullable=False),
    Column("result", JSONB, nullable=False),
    Column("total_score", Integer),
    Column("scored_at", INSTANT),
    Column("merged_into", Uuid),
    Column("merged", JSONB),
    Column("is_restricted", Boolean, nullable=False, server_default=text("false")),
    Column("factors_key", BigInteger),
    Index("lead_score_state_standing", "property_id", "total_score", "lead_id", "scored_at",
          postgresql_include=["factors_key"]),
    Index("lead_score_state_merged_into", "merged_into",
          postgresql_where=text("merged_into IS NOT NULL")),
    Index("lead_score_state_next_change", "next_change_at",
          postgresql_where=text("next_change_at IS NOT NULL")),
    schema=STATE_SCHEMA,
)  # fmt: skip
projection = Projection(
    "lead_scores",
    version=6,
    table=DerivedTable(TABLE),
    state=DerivedTable(
        STATE, keyed_by=("lead_id", "loser_id", "winner_id"), follows=("merged_into", "merged")
    ),
)
"""The `inputs` of a lead are its own, merged or not. `merged` lists the leads merged into it; it is
null while the lead is no part of a merge. Only the top lead of a merge is scored and changes by
time: see `scoring.merged_leads`. While a lead is restricted, its inputs are kept up to date, and
no score is computed of them."""

NO_SCORE: Row = {
    "result": (), "total_score": None, "scored_at": None, "next_change_at": None,
    "factors_key": None,
}  # fmt: skip
"""The state of a lead before its first score, and while it is merged into another."""

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
def apply_event(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
    lead_id: UUID | None = event.lead_id
    if lead_id is None:
        return
    moment = recorded.occurred_at
    at = now = micros(moment)
    kind = type(event)
    if kind in ARRIVED:
        state = _insert_state(tables, recorded, event, at)
    else:
        state = tables.state.change(lead_id)
        if state["merged"] is not None:
            _apply_to_merged_lead(tables, recorded, event, state)
            return
        if moment < state["fold_time"]:
            moment = state["fold_time"]
            now = micros(moment)
        add_changes_by_time(tables, state, state["inputs"], moment, now)
    inputs: ScoringInputs = state["inputs"]
    _apply_to_inputs(inputs, recorded, event, at, now)
    update_state(tables, state, inputs, moment, now)


def _insert_state(tables: Tables, recorded: RecordedEvent, event: LeadArrived, at: int) -> Row:
    state: Row = {
        "lead_id": event.lead_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "inputs": initial_inputs(event, at),
        "fold_time": recorded.occurred_at,
        "revision": 0,
        **NO_SCORE,
        "merged_into": None,
        "merged": None,
        "is_restricted": False,
    }
    tables.state.insert(event.lead_id, state)
    return state


def _apply_to_merged_lead(tables: Tables, recorded: RecordedEvent, event: Any, own: Row) -> None:
    """Change the inputs of a merged lead itself, and score the top lead."""
    top = merged_leads.top_of(tables.state, own)
    moment = max(recorded.occurred_at, top["fold_time"])
    at, now = micros(recorded.occurred_at), micros(moment)
    add_changes_by_time(tables, top, merged_leads.combined_inputs(tables.state, top), moment, now)
    inputs: ScoringInputs = own["inputs"]
    expire(inputs, now)
    _apply_to_inputs(inputs, recorded, event, at, now)
    update_state(tables, top, merged_leads.combined_inputs(tables.state, top), moment, now)


def _apply_to_inputs(
    inputs: ScoringInputs, recorded: RecordedEvent, event: Any, at: int, now: int
) -> None:
    """Change scoring inputs; the event occurred at `at`, and the fold time is `now`."""
    if (change := INPUT_CHANGES.get(type(event))) is not None:
        change(inputs, event, at)
    for engagement in engagements_of(recorded):
        add_engagement(inputs, at, engagement.score_weight, now)


@projection.on(LeadMerged)
def merge(tables: Tables, recorded: RecordedEvent, event: LeadMerged) -> None:
    """Add the changes by time of both leads until now; then only the top lead is scored."""
    state = tables.state
    loser, winner = state.change(event.loser_id), state.change(event.winner_id)
    top = merged_leads.top_of(state, winner)
    moment = max(recorded.occurred_at, loser["fold_time"], top["fold_time"])
    now = micros(moment)
    for lead in (loser, top):
        inputs = merged_leads.combined_inputs(state, lead)
        add_changes_by_time(tables, lead, inputs, moment, now)
    merged_leads.link(loser, winner, top)
    loser.update(NO_SCORE, fold_time=moment)
    update_state(tables, top, merged_leads.combined_inputs(state, top), moment, now)


@projection.on(LeadUnmerged)
def unmerge(tables: Tables, recorded: RecordedEvent, event: LeadUnmerged) -> None:
    """Score both leads again, each by itself: the history of the loser continues."""
    state = tables.state
    loser, winner = state.change(event.loser_id), state.change(event.winner_id)
    top = merged_leads.top_of(state, winner)
    moment = max(recorded.occurred_at, top["fold_time"])
    now = micros(moment)
    add_changes_by_time(tables, top, merged_leads.combined_inputs(state, top), moment, now)
    merged_leads.unlink(loser, winner)
    for lead in (top, loser):
        inputs = merged_leads.combined_inputs(state, lead)
        expire(inputs, now)
        update_state(tables, lead, inputs, moment, now)


@projection.on(LeadRestricted)
def restrict(tables: Tables, recorded: RecordedEvent, event: LeadRestricted) -> None:
    """Add the changes by time until now; then the score stays as it is."""
    state = tables.state
    own = state.change(event.lead_id)
    if own["merged_into"] is None:
        moment = max(recorded.occurred_at, own["fold_time"])
        inputs = merged_leads.combined_inputs(state, own)
        add_changes_by_time(tables, own, inputs, moment, micros(moment))
        own.update(fold_time=moment, next_change_at=None)
    own["is_restricted"] = True


@projection.on(LeadRestrictionLifted)
def lift_restriction(tables: Tables, recorded: RecordedEvent, event: LeadRestrictionLifted) -> None:
    """Score the lead again, with everything that occurred meanwhile, at the instant of the lift."""
    state = tables.state
    own = state.change(event.lead_id)
    own["is_restricted"] = False
    if own["merged_into"] is None:
        moment = max(recorded.occurred_at, own["fold_time"])
        now = micros(moment)
        inputs = merged_leads.combined_inputs(state, own)
        expire(inputs, now)
        update_state(tables, own, inputs, moment, now)


def history(org_id: UUID, lead_id: UUID, limit: int) -> "Select[Any]":
    """Select the newest rows of a lead's score history, newest first."""
    columns = TABLE.c
    return (
        select(TABLE)
        .where(columns.org_id == org_id, columns.lead_id == lead_id)
        .order_by(columns.scored_at.desc(), columns.revision.desc())
        .limit(limit)
    )
