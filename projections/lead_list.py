"""The console's list of leads: a page of one property's leads, and what they may be narrowed to.

Every query names the property, so that its index does the work and row level security has only
the property's own rows to look at.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select

from events.leads import LeadStatus
from projections.leads import TABLE, unmerged_only
from projections.scores import STATE

SortBy: TypeAlias = Literal["created_at", "first_name", "last_name", "status", "source", "score"]

FEWEST_DIGITS = 3
"""As many make a text a part of a telephone number, however it is written."""
NO_NUMBER = re.compile(r"[^\W\d]|@")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which leads of a property: of a status, a source, with a text in name, e-mail or phone."""

    property_id: UUID
    status: LeadStatus | None = None
    source: str | None = None
    search: str | None = None

    @property
    def narrowing(self) -> list[ColumnElement[bool]]:
        """What holds besides the property."""
        found: list[ColumnElement[bool]] = []
        if self.status is not None:
            found.append(TABLE.c.status == self.status.value)
        if self.source is not None:
            found.append(TABLE.c.source == self.source)
        if self.search is not None:
            found.append(_contains(self.search))
        return found


def page(
    wanted: Wanted, sort_by: SortBy, *, descending: bool, offset: int, limit: int
) -> "Select[Any]":
    """Rows of leads in order; equal ones by id, those without a value last.

    By score they come as it stands in the store, which timers keep current, and leads that have
    none yet are left out.
    """
    query = select(TABLE).where(*wanted.narrowing).offset(offset).limit(limit)
    if sort_by == "score":
        score, key = STATE.c.total_score, STATE.c.lead_id
        return (
            query.join(STATE, STATE.c.lead_id == TABLE.c.id)
            .where(STATE.c.property_id == wanted.property_id, unmerged_only())
            .order_by(*((score.desc(), key.desc()) if descending else (score, key)))
        )
    query = query.where(TABLE.c.property_id == wanted.property_id, unmerged_only())
    column: ColumnElement[Any] = TABLE.c[sort_by]
    if sort_by == "created_at":  # never null: as the index has it
        key = TABLE.c.id
        return query.order_by(*((column.desc(), key.desc()) if descending else (column, key)))
    folded = column if sort_by == "status" else func.lower(column)
    ordered = folded.desc() if descending else folded.asc()
    return query.order_by(ordered.nulls_last(), TABLE.c.id)


def count(wanted: Wanted) -> "Select[Any]":
    """How many there are."""
    mine = (TABLE.c.property_id == wanted.property_id, unmerged_only())
    return select(func.count()).select_from(TABLE).where(*mine, *wanted.narrowing)


def standing(property_id: UUID) -> "Select[Any]":
    """How many leads (`leads`) a property has of each status and source; all of it in an index."""
    pair = (TABLE.c.status, TABLE.c.source)
    counted = select(*pair, func.count().label("leads"))
    mine = (TABLE.c.property_id == property_id, unmerged_only())
    return counted.where(*mine).group_by(*pair)


def _contains(text: str) -> ColumnElement[bool]:
    """Is the text part of a name, an e-mail address or a number, whatever the letters' case?

    `strpos` instead of ILIKE: what it finds is unknown to the planner either way, under row level
    security also the statistics, but of ILIKE it expects almost nothing.
    """
    columns = TABLE.c
    whole = func.concat_ws(" ", columns.first_name, columns.last_name, columns.email, columns.phone)
    found = func.strpos(func.lower(whole), func.lower(text)) > 0
    digits = "".join(filter(str.isdecimal, text))
    if len(digits) < FEWEST_DIGITS or NO_NUMBER.search(text) is not None:
        return found
    return or_(found, func.strpos(columns.phone, digits) > 0)
