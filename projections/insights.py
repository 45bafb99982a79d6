"""Insights: how promising the leads of a property are, each lead counted once.

Read from what is stored: the current score of each lead, which timers keep current, and the
history in `lead_scores`. A lead is in the picture when its score last changed since an instant.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, cast, column, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on

from projections.columns import INSTANT
from projections.scores import STATE, TABLE

FACTORS_AT = 7
"""Where a result has its factors: the last of `v1.Score`."""
LIMIT = "Limit"
"""The factor that keeps a score between 0 and 100: no reason for it."""
COUNTED = r" \(\d+ events\)$"


def totals(property_id: UUID, since: datetime) -> "Select[Any]":
    """How many leads (`leads`) have which current score (`total`), of those scored since."""
    return (
        select(STATE.c.total_score.label("total"), func.count().label("leads"))
        .where(*_scored(property_id, since))
        .group_by(STATE.c.total_score)
    )


def factors(property_id: UUID, since: datetime, most: int) -> "Select[Any]":
    """The factors (`factor`, `type`, `leads`) of most current scores, at most so many of a type.

    Leads whose factors are the same are counted together before they are taken apart.
    """
    held = (
        select(STATE.c.result[FACTORS_AT].label("factors"))
        .where(*_scored(property_id, since))
        .subquery("held")
    )
    counted = select(held.c.factors, func.count().label("leads")).group_by(held.c.factors)
    alike = counted.subquery("alike")
    each = func.jsonb_array_elements(alike.c.factors).table_valued(
        column("value", JSONB), name="each"
    )
    said = each.c.value
    named = (
        select(
            func.regexp_replace(said["factor"].astext, COUNTED, "").label("factor"),
            said["type"].astext.label("type"),
            alike.c.leads,
        )
        .select_from(alike.join(each, true()))
        .subquery("named")
    )
    leads = func.sum(named.c.leads)
    place = func.row_number().over(
        partition_by=named.c.type, order_by=(leads.desc(), named.c.factor)
    )
    ranked = (
        select(named.c.factor, named.c.type, leads.label("leads"), place.label("place"))
        .where(named.c.factor != LIMIT)
        .group_by(named.c.factor, named.c.type)
        .subquery("ranked")
    )
    found = ranked.c
    return (
        select(found.factor, found.type, found.leads)
        .where(found.place <= most)
        .order_by(found.type, found.place)
    )


def trend(property_id: UUID, days: Sequence[datetime]) -> "Select[Any]":
    """Of the days that begin at these instants, in order, those with new scores (`day` from 1).

    Each lead counts once a day, with the last score it got on it (`average`, `hot`).
    """
    starts = cast(list(days), ARRAY(INSTANT))
    columns = TABLE.c
    told = (
        select(
            columns.lead_id, columns.total_score, columns.score_bucket, columns.revision,
            func.width_bucket(columns.scored_at, starts).label("day"),
        )
        .where(columns.property_id == property_id, columns.scored_at >= days[0])
        .subquery("told")
    )  # fmt: skip
    last = (
        select(told)
        .ext(distinct_on(told.c.lead_id, told.c.day))
        .order_by(told.c.lead_id, told.c.day, told.c.revision.desc())
        .subquery("last")
    )
    return (
        select(
            last.c.day,
            func.avg(last.c.total_score).label("average"),
            func.count().filter(last.c.score_bucket == "hot").label("hot"),
        )
        .group_by(last.c.day)
        .order_by(last.c.day)
    )


def _scored(property_id: UUID, since: datetime) -> list[ColumnElement[bool]]:
    return [STATE.c.property_id == property_id, STATE.c.scored_at >= since]
