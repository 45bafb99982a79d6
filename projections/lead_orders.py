"""The orders of the console's list of leads: each reads a page of ids from an index.

The indexes are those of the property's listed leads; see the migrations 0032 and 0062.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Table,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from projections.leads import SORTED_TEXTS, TABLE, listed_only
from projections.scores import STATE

SortBy: TypeAlias = Literal["created_at", "first_name", "last_name", "status", "source", "score"]
COMPARED_CHARACTERS: ColumnElement[int] = literal_column("100")
"""The characters of a text that are sorted. It is no parameter: the index has the same number."""


def by_score(
    property_id: UUID,
    conditions: Sequence[ColumnElement[bool]],
    *,
    descending: bool,
    offset: int,
    limit: int,
) -> "Select[Any]":
    """Select a page of leads by their stored score.

    Without conditions, the ids are selected from the scores alone: only listed leads have one.
    """
    score = STATE.c
    ids = select(score.lead_id.label("id"), score.total_score).where(
        score.property_id == property_id, score.total_score.is_not(None)
    )
    if conditions:
        ids = ids.join(TABLE, TABLE.c.id == score.lead_id).where(listed_only(), *conditions)
    ids = _cut(_directed(ids, (score.total_score, score.lead_id), descending), offset, limit)
    page = ids.subquery("page")
    query = _select_leads(page).where(listed_only())
    return _directed(query, (page.c.total_score, page.c.id), descending)


def by_column(
    sort_by: SortBy,
    conditions: Sequence[ColumnElement[bool]],
    *,
    descending: bool,
    offset: int,
    limit: int,
) -> "Select[Any]":
    """Select a page of leads by a column of their own; `conditions` include the property."""
    if sort_by in SORTED_TEXTS and descending:
        return _descending_texts(sort_by, conditions, offset, limit)
    query = select(TABLE.c.id).where(*conditions)
    page = _cut(_ordered(query, TABLE, sort_by, descending), offset, limit).subquery("page")
    return _ordered(_select_leads(page), TABLE, sort_by, descending)


def _descending_texts(
    sort_by: SortBy, conditions: Sequence[ColumnElement[bool]], offset: int, limit: int
) -> "Select[Any]":
    """Select a page of leads from z to a, then the leads without a value.

    An index that is read backwards has the leads without a value first. So it is read twice: each
    part returns the rows up to the end of the page.
    """
    missing, text = _text_keys(TABLE, sort_by)
    end = cast(offset, BigInteger) + cast(limit, BigInteger)
    parts = [
        select(TABLE.c.id, missing.label("missing"), text.label("text"))
        .where(*conditions, missing.is_(is_missing))
        .order_by(text.desc(), TABLE.c.id.desc())
        .limit(end)
        for is_missing in (False, True)
    ]
    found = union_all(*(select(part.subquery()) for part in parts)).subquery("found").c
    ids = select(found.id).order_by(found.missing, found.text.desc(), found.id.desc())
    page = _cut(ids, offset, limit).subquery("page")
    query = _select_leads(page)
    return query.order_by(missing, text.desc(), TABLE.c.id.desc())


def _ordered(
    query: "Select[Any]", table: Table, sort_by: SortBy, descending: bool
) -> "Select[Any]":
    """Order by the columns of an index, so that it has the rows in this order."""
    columns = table.c
    if sort_by in SORTED_TEXTS:
        return query.order_by(*_text_keys(table, sort_by), columns.id)
    if sort_by == "status":
        return _directed(query, (columns.status, columns.source, columns.id), descending)
    return _directed(query, (columns.created_at, columns.id), descending)


def _text_keys(table: Table, name: str) -> tuple[ColumnElement[bool], ColumnElement[str]]:
    column = table.c[name]
    return column.is_(None), func.lower(func.left(column, COMPARED_CHARACTERS))


def _directed(
    query: "Select[Any]", keys: Sequence[ColumnElement[Any]], descending: bool
) -> "Select[Any]":
    return query.order_by(*(key.desc() if descending else key for key in keys))


def _cut(query: "Select[Any]", offset: int, limit: int) -> "Select[Any]":
    return query.offset(offset).limit(limit)


def _select_leads(page: FromClause) -> "Select[Any]":
    return select(TABLE).join(page, page.c.id == TABLE.c.id)
