"""Insights: the scores of the leads of a property, each lead counted once.

They are read from the stored current scores, which timers keep current, and from the history in
`lead_scores`. Only leads whose score changed since a given instant are counted.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, cast, column, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on

from projections.columns import INSTANT
from projections.scores import STATE, TABLE
from projections.scoring import v1

FACTORS_INDEX = 7
"""Index of the factors in a stored result: the last field of `v1.Score`."""


def totals(property_id: UUID, since: datetime) -> "Select[Any]":
    """Select the number of leads (`leads`) by current score (`total`)."""
    return (
        select(STATE.c.total_score.label("total"), func.count().label("leads"))
        .where(*_scored(property_id, since))
        .group_by(STATE.c.total_score)
    )


def factors(property_id: UUID, since: datetime, limit: int) -> "Select[Any]":
    """Select the most frequent factors (`factor`, `type`, `leads`), at most `limit` of each type.

    Leads with equal factors are counted in the index; one lead of them has the names.
    """
    counted = (
        select(func.count().label("leads"), func.array_agg(STATE.c.lead_id).label("lead_ids"))
        .where(*_scored(property_id, since))
        .group_by(STATE.c.factors_key)
        .subquery("counted")
    )
    one = STATE.alias("one").c
    groups = (
        select(one.result[FACTORS_INDEX].label("factors"), counted.c.leads)
        .join(counted, one.lead_id == counted.c.lead_ids[1])
        .subquery("groups")
    )
    elements = func.jsonb_array_elements(groups.c.factors).table_valued(
        column("value", JSONB), name="elements"
    )
    factor = elements.c.value
    named = (
        select(
            func.regexp_replace(factor["factor"].astext, v1.COUNT.pattern, "").label("factor"),
            factor["type"].astext.label("type"),
            groups.c.leads,
        )
        .select_from(groups.join(elements, true()))
        .subquery("named")
    )
    leads = func.sum(named.c.leads)
    rank = func.row_number().over(
        partition_by=named.c.type, order_by=(leads.desc(), named.c.factor)
    )
    ranked = (
        select(named.c.factor, named.c.type, leads.label("leads"), rank.label("rank"))
        .where(named.c.factor != v1.LIMIT)
        .group_by(named.c.factor, named.c.type)
        .subquery("ranked")
    )
    item = ranked.c
    return (
        select(item.factor, item.type, item.leads)
        .where(item.rank <= limit)
        .order_by(item.type, item.rank)
    )


def trend(property_id: UUID, days: Sequence[datetime]) -> "Select[Any]":
    """Select `average` and `hot` for each day with new scores; `day` counts from 1.

    `days` are the instants at which the days begin, in order. Each lead counts once a day, with its
    last score of that day.
    """
    starts = cast(list(days), ARRAY(INSTANT))
    columns = TABLE.c
    scored = (
        select(
            columns.lead_id, columns.total_score, columns.score_bucket, columns.revision,
            func.width_bucket(columns.scored_at, starts).label("day"),
        )
        .where(columns.property_id == property_id, columns.scored_at >= days[0])
        .subquery("scored")
    )  # fmt: skip
    last = (
        select(scored)
        .ext(distinct_on(scored.c.lead_id, scored.c.day))
        .order_by(scored.c.lead_id, scored.c.day, scored.c.revision.desc())
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
