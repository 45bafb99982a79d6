"""Changed rows for output: one entry for each column, without personal values."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from projections.catalog import LIVE
from projections.engine.compare import Comparison
from projections.engine.retry_preview import PreviewedRow, RetryPreview
from projections.engine.row_difference import RowDifference

TABLES = {table.name: table for table in LIVE.tables}
ROW_FIELDS = ["table", "key", "column", "old", "new"]


def describe_difference(table: str, difference: RowDifference) -> list[dict[str, Any]]:
    """Return the columns of a row that differ, each with its old and new value."""
    return [
        {"table": table, "key": difference.key, "column": column, "old": old, "new": new}
        for column, (old, new) in difference.columns.items()
    ]


def describe_comparison(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the columns that differ in the first rows of a table, without personal values."""
    table = TABLES[comparison.table]
    return [
        column
        for difference in comparison.differences
        for column in describe_difference(comparison.table, difference.masked(table))
    ]


def describe_rows(rows: Iterable[PreviewedRow]) -> list[dict[str, Any]]:
    """Return the columns that events would change, each with the event's id."""
    return [
        {**column, "event_id": str(row.event_id)}
        for row in rows
        for column in describe_difference(row.table, row.difference)
    ]


def describe_preview(preview: RetryPreview, event_ids: Iterable[UUID] = ()) -> dict[str, Any]:
    """Return what a retry would do; with `event_ids`, the rows of these events only."""
    chosen = set(event_ids)
    rows = [row for row in preview.rows if not chosen or row.event_id in chosen]
    return {
        "applied": preview.result.applied, "dropped": preview.result.dropped,
        "still_parked": preview.result.still_parked, "is_partial": preview.is_partial,
        "tables": {str(name): number for name, number in preview.tables.items()},
        "rows": describe_rows(rows),
        "refused": [
            {"event_id": str(refused.event_id), "reason": refused.reason, "detail": refused.detail}
            for refused in preview.refused
        ],
    }  # fmt: skip
