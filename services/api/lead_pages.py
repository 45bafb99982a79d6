"""Prepared queries of the pages of a property's leads, one for each combination of filters."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from projections import lead_list
from projections.lead_list import LeadFilter
from projections.lead_orders import SortBy
from services.api.reading import PreparedQuery, Query


def page_query(
    lead_filter: LeadFilter, sort_by: SortBy, descending: bool, *, offset: int, limit: int
) -> Query:
    """Return the query of a page, prepared unless it searches."""
    if lead_filter.search is not None:
        return lead_list.page(
            lead_filter, sort_by, descending=descending, offset=offset, limit=limit
        )
    filters = {
        name: value
        for name in ("status", "source", "assigned_agent_id")
        if (value := getattr(lead_filter, name)) is not None
    }
    query = _prepare_page(tuple(filters), sort_by, descending)
    return query(property_id=lead_filter.property_id, offset=offset, limit=limit, **filters)


@cache
def _prepare_page(filters: tuple[str, ...], sort_by: SortBy, descending: bool) -> PreparedQuery:
    def build(property_id: UUID, offset: int, limit: int, **values: Any) -> "Select[Any]":
        lead_filter = LeadFilter(property_id, **values)
        return lead_list.page(
            lead_filter, sort_by, descending=descending, offset=offset, limit=limit
        )

    return PreparedQuery(build, "property_id", "offset", "limit", *filters)
