"""Prepared queries of the pages of a property's leads, one for each combination of filters."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from projections import lead_list
from projections.lead_list import LeadFilter
from projections.lead_orders import PageCut, SortBy
from services.api.reading import PreparedQuery, Query

SPECIFIC = 4
"""A search is specific if it finds at most one of this number of leads."""


def page_query(
    lead_filter: LeadFilter, sort_by: SortBy, cut: PageCut, *, total: int, listed: int
) -> Query:
    """Return the query of a page, prepared unless it searches.

    `total` leads match, of all that are `listed`. The rows up to the end of the page are read in
    order, with those between them that do not match; if fewer leads match, they are sorted.
    """
    is_rare = (cut.offset + cut.limit) * listed > total * total
    if lead_filter.search is not None:
        is_specific = total * SPECIFIC <= listed
        return lead_list.page(lead_filter, sort_by, cut, is_rare=is_rare, is_specific=is_specific)
    filters = {
        name: value
        for name in ("status", "source", "assigned_agent_id")
        if (value := getattr(lead_filter, name)) is not None
    }
    query = _prepare_page(tuple(filters), sort_by, cut.descending, bool(filters) and is_rare)
    return query(property_id=lead_filter.property_id, offset=cut.offset, limit=cut.limit, **filters)


@cache
def _prepare_page(
    filters: tuple[str, ...], sort_by: SortBy, descending: bool, is_rare: bool
) -> PreparedQuery:
    def build(property_id: UUID, offset: int, limit: int, **values: Any) -> "Select[Any]":
        lead_filter = LeadFilter(property_id, **values)
        cut = PageCut(offset, limit, descending)
        return lead_list.page(lead_filter, sort_by, cut, is_rare=is_rare)

    return PreparedQuery(build, "property_id", "offset", "limit", *filters)
