"""The score history: adds a row to `lead_scores` each time the result of a lead changes."""

from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from events.uuids import QuickUUID
from projections.engine.derived_table import Row
from projections.engine.projection import Tables
from projections.scoring import v1
from projections.scoring.inputs import ScoringInputs, expire, instant, micros


def add_changes_by_time(
    tables: Tables, state: Row, inputs: ScoringInputs, moment: datetime, until: int
) -> None:
    """Add the results that time alone changed, each at its own instant, up to `moment`.

    `until` is `moment` in microseconds. It is done before an event is folded, so that the rows do
    not depend on when a timer's event arrives.
    """
    change = state["next_change_at"]
    if change is not None and change <= moment:
        due: int | None = micros(change)
        while due is not None and due <= until:
            expire(inputs, due)
            _add_if_changed(tables, state, inputs, instant(due), due)
            due = v1.next_change(inputs, due)
    expire(inputs, until)


def update_state(
    tables: Tables, state: Row, inputs: ScoringInputs, moment: datetime, now: int
) -> None:
    """Add the result after an event, and set fold time and next change time.

    `now` is `moment` in microseconds. A restricted lead gets no result, and time does not change
    its score.
    """
    if state["is_restricted"]:
        state["fold_time"] = moment
        return
    _add_if_changed(tables, state, inputs, moment, now)
    change = v1.next_change(inputs, now)
    state["fold_time"] = moment
    state["next_change_at"] = None if change is None else instant(change)


def _add_if_changed(
    tables: Tables, state: Row, inputs: ScoringInputs, moment: datetime, at: int
) -> None:
    """Add a row if the result at `moment` differs from the last one; `at`: in microseconds."""
    score, values, factors, factors_key = v1.score_to_store(inputs, at)
    stored = state["result"]
    # Equal scores of one process are the same object. Those of a loaded state are compared.
    if stored is values or stored == values:
        return
    total, engagement, timing, source, completeness, behavior, bucket, _ = score
    state["revision"] = revision = state["revision"] + 1
    state["result"] = values
    state["total_score"] = total
    state["factors_key"] = factors_key
    state["scored_at"] = moment
    lead_id = state["lead_id"]
    tables.rows.add(
        {
            "id": row_id(lead_id, revision),
            "lead_id": lead_id,
            "total_score": total,
            "engagement_score": engagement,
            "timing_score": timing,
            "source_score": source,
            "completeness_score": completeness,
            "behavior_score": behavior,
            "score_bucket": bucket,
            "factors": factors,
            "model_version": v1.VERSION,
            "scored_at": moment,
            "org_id": state["org_id"],
            "property_id": state["property_id"],
            "revision": revision,
        }
    )


def row_id(lead_id: UUID, revision: int) -> UUID:
    """Return the id of the nth score of a lead: the same one in every rebuild.

    It begins with the lead's id, so new rows are near each other in the primary key's index.
    """
    suffix = blake2b(lead_id.bytes + revision.to_bytes(4), digest_size=8).digest()
    row_id: UUID = QuickUUID(lead_id.bytes[:8] + suffix)
    return row_id
