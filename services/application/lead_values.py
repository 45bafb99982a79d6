"""The fields of a lead that conditions may name, with its score, read from the log."""

from typing import Any
from uuid import UUID

from events.event import Event
from events.leads import LeadAdopted, LeadArrived, LeadCaptured, LeadImported
from events.log import read
from projections.scoring import v1
from projections.scoring.engagement import ENGAGING, engagements_of
from projections.scoring.input_changes import INPUT_CHANGES, initial_inputs
from projections.scoring.inputs import ScoringInputs, add_engagement, combine, expire, micros
from services.application.merged_leads import list_members
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads
from services.deciders.leads import Lead
from services.deciders.steps.conditions import ConditionField

SCORED: set[type[Event]] = {
    LeadCaptured, LeadImported, LeadAdopted, *ENGAGING, *INPUT_CHANGES,
}  # fmt: skip
EVENT_TYPES = sorted(kind.name for kind in SCORED)
"""The event types from which a score is computed."""


async def load_values(uow: UnitOfWork, lead_id: UUID) -> dict[str, Any]:
    """Return condition field → value of a lead as of now."""
    lead = await uow.load(leads.decider, lead_id)
    score = await _compute_score(uow, lead_id)
    details = {name.value: _to_json(lead, name) for name in ConditionField}
    return {
        **details, ConditionField.STATUS: lead.status.value,
        ConditionField.SCORE: score.total if score else None,
        ConditionField.BUCKET: score.bucket if score else None,
    }  # fmt: skip


def _to_json(lead: Lead, name: str) -> Any:
    value = lead.details.get(name)
    return str(value) if isinstance(value, UUID) else value


async def _compute_score(uow: UnitOfWork, lead_id: UUID) -> v1.Score | None:
    """Fold the scoring inputs of the lead and of those merged into it; None if it has none."""
    members = await list_members(uow, lead_id)
    rows = await uow.conn.fetch(
        f"SELECT {read.COLUMNS} FROM public.crm_events WHERE lead_id = ANY($1::uuid[]) "
        "AND event_type = ANY($2::text[]) ORDER BY seq",
        members,
        EVENT_TYPES,
    )
    now = micros(uow.scope.at)
    inputs: dict[UUID, ScoringInputs] = {}
    for recorded in await read.decode_rows(uow.conn, rows):
        event, at = recorded.event, micros(recorded.occurred_at)
        if not isinstance(event, Event) or recorded.lead_id is None:
            continue
        if isinstance(event, LeadArrived):
            inputs[recorded.lead_id] = initial_inputs(event, at)
        if (own := inputs.get(recorded.lead_id)) is None:
            continue
        if (change := INPUT_CHANGES.get(type(event))) is not None:
            change(own, event, at)
        for engagement in engagements_of(recorded):
            add_engagement(own, at, engagement.score_weight, now)
    if lead_id not in inputs:
        return None
    combined = combine(inputs[lead_id], [inputs[key] for key in members[1:] if key in inputs])
    expire(combined, now)
    return v1.score(combined, now)
