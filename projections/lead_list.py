"""The console's list of leads: one page of the leads of a property, with filters.

Every query names the property, so that its index is used, and row level security checks only the
rows of that property.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, func, or_, select

from events.leads import LeadStatus
from projections import lead_orders
from projections.lead_orders import SortBy
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
    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions besides the property."""
        conditions: list[ColumnElement[bool]] = []
        if self.status is not None:
            conditions.append(TABLE.c.status == self.status)
        if self.source is not None:
            conditions.append(TABLE.c.source == self.source)
        if self.assigned_agent_id is not None:
            conditions.append(TABLE.c.assigned_agent_id == self.assigned_agent_id)
        if self.search is not None:
            conditions.append(_contains(self.search, self.searched_numbers))
        return conditions


def page(
    lead_filter: LeadFilter, sort_by: SortBy, *, descending: bool, offset: int, limit: int
) -> "Select[Any]":
    """Select a page of leads in order; ties by id, leads without a value last.

    Sorted by score, the stored score counts, which timers keep current; leads without a score are
    left out.

    The ids of the page are selected first: an index has them in order, and the leads before the
    page are not read.
    """
    if sort_by == "score":
        return lead_orders.by_score(lead_filter.property_id, lead_filter.conditions,
                                    descending=descending, offset=offset, limit=limit)  # fmt: skip
    conditions = [
        TABLE.c.property_id == lead_filter.property_id, listed_only(), *lead_filter.conditions
    ]  # fmt: skip
    return lead_orders.by_column(
        sort_by, conditions, descending=descending, offset=offset, limit=limit
    )


def count(lead_filter: LeadFilter) -> "Select[Any]":
    """Select the number of leads."""
    conditions = (TABLE.c.property_id == lead_filter.property_id, listed_only())
    return select(func.count()).select_from(TABLE).where(*conditions, *lead_filter.conditions)


def count_by_status_and_source(property_id: UUID) -> "Select[Any]":
    """Select the number of leads (`leads`) by status and source, with an index-only scan."""
    pair = (TABLE.c.status, TABLE.c.source)
    counted = select(*pair, func.count().label("leads"))
    conditions = (TABLE.c.property_id == property_id, listed_only())
    return counted.where(*conditions).group_by(*pair)


def _contains(text: str, numbers: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that name, e-mail or phone contains the text, or one of the numbers.

    Case, accents and the shape of quotes are ignored. `strpos` is used instead of ILIKE: under row
    level security the planner has no statistics, and it expects almost no rows of ILIKE and then
    chooses a bad plan.
    """
    columns = TABLE.c
    searched = func.concat_ws(
        " ", columns.first_name, columns.last_name, columns.email, columns.phone
    )
    found = func.strpos(_search_form(searched), _search_form(text)) > 0
    digits = func.translate(columns.phone, " ()-./", "")
    return or_(found, *(func.strpos(digits, number) > 0 for number in numbers))


def _search_form(text: Any) -> ColumnElement[str]:
    return func.crm_api.search_form(text, type_=Text)
