"""The console's list of leads: one page of the leads of a property, with filters.

Every query names the property, so that its index is used, and row level security checks only the
rows of that property.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, func, intersect, select

from events.leads import LeadStatus
from projections import lead_orders, lead_texts
from projections.lead_orders import PageCut, SortBy
from projections.leads import TABLE, listed_only


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """A filter for the leads of a property: status, source, agent, and a text in the contact.

    `searched_numbers` are the digits of the text, if it is a part of a phone number.
    """

    property_id: UUID
    status: LeadStatus | None = None
    source: str | None = None
    search: str | None = None
    assigned_agent_id: UUID | None = None
    searched_numbers: tuple[str, ...] = ()

    @property
    def column_conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on columns of the lead besides the property."""
        conditions: list[ColumnElement[bool]] = []
        if self.status is not None:
            conditions.append(TABLE.c.status == self.status)
        if self.source is not None:
            conditions.append(TABLE.c.source == self.source)
        if self.assigned_agent_id is not None:
            conditions.append(TABLE.c.assigned_agent_id == self.assigned_agent_id)
        return conditions

    @property
    def listed(self) -> list[ColumnElement[bool]]:
        """Return the conditions that a lead of the property is listed, with those on columns."""
        return [TABLE.c.property_id == self.property_id, listed_only(), *self.column_conditions]

    @property
    def found(self) -> "Select[Any] | None":
        """Select the ids of the listed leads in which the text is found; None without a text."""
        if self.search is None:
            return None
        return lead_texts.ids(
            lead_texts.found(self.property_id, self.search, self.searched_numbers)
        )


def page(
    lead_filter: LeadFilter,
    sort_by: SortBy,
    cut: PageCut,
    *,
    is_rare: bool = False,
    is_specific: bool = False,
) -> "Select[Any]":
    """Select a page of leads in order; ties by id, leads without a value last.

    Sorted by score, the stored score counts, which timers keep current; leads without a score are
    left out.

    The ids of the page are selected first: an index has them in order, and the leads before the
    page are not read. If only few leads match, `is_rare`, all of them are read and sorted. A
    search that finds a part of the leads, `is_specific`, is sorted by the searched names: the leads
    of a last name are next to each other, far from the first page.
    """
    conditions = lead_filter.column_conditions
    found = lead_filter.found
    if found is not None and sort_by == "created_at" and not conditions:
        return lead_orders.by_creation_of_texts(found, cut)
    is_sorted_by_name = sort_by in lead_orders.SEARCHED_NAMES
    if found is not None and is_sorted_by_name and is_specific and not (conditions and is_rare):
        if conditions:
            both = _intersect(lead_filter, found)
            found = lead_texts.ids([lead_texts.TABLE.c.lead_id.in_(select(both.c.id))])
        return lead_orders.by_name_of_texts(found, sort_by, cut)
    if found is not None:
        search = lead_texts.contains(lead_filter.search or "", lead_filter.searched_numbers)
        conditions.append(
            TABLE.c.id.in_(found) if is_rare else lead_texts.of_lead(TABLE.c.id, search)
        )
    if sort_by == "score":
        return lead_orders.by_score(lead_filter.property_id, conditions, cut, is_rare=is_rare)
    conditions = [TABLE.c.property_id == lead_filter.property_id, listed_only(), *conditions]
    return lead_orders.by_column(sort_by, conditions, cut, is_rare=is_rare)


def count(lead_filter: LeadFilter) -> "Select[Any]":
    """Select the number of leads."""
    found = lead_filter.found
    if found is None:
        matching = select(TABLE.c.id).where(*lead_filter.listed).subquery("matching")
    elif lead_filter.column_conditions:
        matching = _intersect(lead_filter, found)
    else:
        matching = found.subquery("matching")
    return select(func.count()).select_from(matching)


def _intersect(lead_filter: LeadFilter, found: "Select[Any]") -> Subquery:
    """Return the ids of leads with a text that fulfil the other conditions too.

    Ids of two indexes are compared: to look up every lead with the text would take longer.
    """
    return intersect(select(TABLE.c.id).where(*lead_filter.listed), found).subquery("matching")


def count_by_status_and_source(property_id: UUID) -> "Select[Any]":
    """Select the number of leads (`leads`) by status and source, with an index-only scan."""
    pair = (TABLE.c.status, TABLE.c.source)
    counted = select(*pair, func.count().label("leads"))
    conditions = (TABLE.c.property_id == property_id, listed_only())
    return counted.where(*conditions).group_by(*pair)


def ids_with_contact(property_id: UUID, value: str, limit: int, *, column: str) -> "Select[Any]":
    """Select the ids of listed leads whose e-mail address or phone number is exactly this text.

    An index of the column finds them.
    """
    conditions = (TABLE.c.property_id == property_id, listed_only(), TABLE.c[column] == value)
    return select(TABLE.c.id).where(*conditions).limit(limit)


def listed(property_id: UUID, lead_ids: Sequence[UUID], limit: int) -> "Select[Any]":
    """Select those of these leads that are listed, newest first."""
    conditions = (TABLE.c.property_id == property_id, listed_only(), TABLE.c.id.in_(lead_ids))
    newest_first = (TABLE.c.created_at.desc(), TABLE.c.id.desc())
    return select(TABLE).where(*conditions).order_by(*newest_first).limit(limit)
