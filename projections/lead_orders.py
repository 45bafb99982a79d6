"""The orders of the console's list of leads: each reads a page of ids from an index.

The indexes are those of the property's listed leads; see the migrations 0032 and 0058.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    cast,
    func,
    literal_column,
    select,
    true,
    union_all,
)

from projections import lead_texts
from projections.leads import SORTED_TEXTS, TABLE, listed_only
from projections.scores import STATE

SortBy: TypeAlias = Literal["created_at", "first_name", "last_name", "status", "source", "score"]
SEARCHED_NAMES = ("first_name", "last_name")
Keys: TypeAlias = Sequence[ColumnElement[Any]]
COMPARED_CHARACTERS: ColumnElement[int] = literal_column("100")
"""The characters of a text that are sorted. It is no parameter: the index has the same number."""


@dataclass(frozen=True, slots=True)
class PageCut:
    """The part of an order that a page contains, and the direction of the order."""

    offset: int
    limit: int
    descending: bool

    def of(self, query: "Select[Any]") -> "Select[Any]":
        return query.offset(self.offset).limit(self.limit)

    def ordered(self, query: "Select[Any]", keys: Keys) -> "Select[Any]":
        return query.order_by(*(key.desc() if self.descending else key for key in keys))


def by_creation_of_texts(found: "Select[Any]", cut: PageCut) -> "Select[Any]":
    """Select a page of the leads in which a text is found; the texts are in this order too."""
    texts = lead_texts.TABLE.c
    page = cut.of(cut.ordered(found, (texts.created_at, texts.lead_id))).subquery("page")
    return cut.ordered(_select_leads(page).where(listed_only()), _keys("created_at"))


def by_name_of_texts(found: "Select[Any]", sort_by: SortBy, cut: PageCut) -> "Select[Any]":
    """Select a page of the leads in which a text is found, by the searched form of a name."""
    texts = lead_texts.TABLE.c
    name = texts[sort_by]
    ids = found.add_columns(name.label("name"))
    page = cut.of(_with_missing_last(ids, name, texts.lead_id, cut)).subquery("page")
    query = _select_leads(page).where(listed_only())
    return _with_missing_last(query, page.c.name, page.c.id, cut)


def _with_missing_last(
    query: "Select[Any]", name: ColumnElement[str], key: ColumnElement[UUID], cut: PageCut
) -> "Select[Any]":
    return cut.ordered(query.order_by(name.is_(None)), (name, key))


def by_score(
    property_id: UUID, conditions: Sequence[ColumnElement[bool]], cut: PageCut, *, is_rare: bool
) -> "Select[Any]":
    """Select a page of leads by their stored score.

    Without conditions, the ids are selected from the scores alone: only listed leads have one. With
    conditions that many leads fulfil, each lead is looked up in the order of the scores.
    """
    score = STATE.c
    ids = select(score.lead_id.label("id"), score.total_score).where(
        score.property_id == property_id, score.total_score.is_not(None)
    )
    if conditions and is_rare:
        ids = ids.join(TABLE, TABLE.c.id == score.lead_id).where(listed_only(), *conditions)
    elif conditions:
        fulfils = select(true()).where(TABLE.c.id == score.lead_id, listed_only(), *conditions)
        ids = ids.where(fulfils.scalar_subquery())
    page = cut.of(cut.ordered(ids, (score.total_score, score.lead_id))).subquery("page")
    query = _select_leads(page).where(listed_only())
    return cut.ordered(query, (page.c.total_score, page.c.id))


def by_column(
    sort_by: SortBy, conditions: Sequence[ColumnElement[bool]], cut: PageCut, *, is_rare: bool
) -> "Select[Any]":
    """Select a page of leads by a column of their own; `conditions` include the property."""
    ids = select(TABLE.c.id).where(*conditions)
    if sort_by in SORTED_TEXTS:
        missing, text = keys = _text_keys(sort_by)
        if not cut.descending:
            page = cut.of(ids.order_by(*keys, TABLE.c.id)).subquery("page")
            return _select_leads(page).order_by(*keys, TABLE.c.id)
        from_z_to_a = (missing, text.desc(), TABLE.c.id.desc())
        if is_rare:
            page = cut.of(ids.order_by(*from_z_to_a)).subquery("page")
        else:
            page = _descending_texts(sort_by, conditions, cut).subquery("page")
        return _select_leads(page).order_by(*from_z_to_a)
    keys_of_column = _keys(sort_by)
    page = cut.of(cut.ordered(ids, keys_of_column)).subquery("page")
    return cut.ordered(_select_leads(page), keys_of_column)


def _descending_texts(
    sort_by: SortBy, conditions: Sequence[ColumnElement[bool]], cut: PageCut
) -> "Select[Any]":
    """Select the ids of a page of leads from z to a, then those without a value.

    An index that is read backwards has the leads without a value first. So it is read twice: each
    part returns the rows up to the end of the page.
    """
    missing, text = _text_keys(sort_by)
    end = cast(cut.offset, BigInteger) + cast(cut.limit, BigInteger)
    parts = [
        select(TABLE.c.id, missing.label("missing"), text.label("text"))
        .where(*conditions, missing.is_(is_missing))
        .order_by(text.desc(), TABLE.c.id.desc())
        .limit(end)
        for is_missing in (False, True)
    ]
    found = union_all(*(select(part.subquery()) for part in parts)).subquery("found").c
    return cut.of(select(found.id).order_by(found.missing, found.text.desc(), found.id.desc()))


def _keys(sort_by: SortBy) -> Keys:
    """Return the columns of an index, so that it has the rows in this order."""
    columns = TABLE.c
    if sort_by == "status":
        return (columns.status, columns.source, columns.id)
    return (columns.created_at, columns.id)


def _text_keys(name: str) -> tuple[ColumnElement[bool], ColumnElement[str]]:
    column = TABLE.c[name]
    return column.is_(None), func.lower(func.left(column, COMPARED_CHARACTERS))


def _select_leads(page: FromClause) -> "Select[Any]":
    return select(TABLE).join(page, page.c.id == TABLE.c.id)
