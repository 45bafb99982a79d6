"""Output of a preview: the rows that would change, and what would be refused again."""

from collections.abc import Mapping
from typing import Any

from services.application.changed_rows import ROW_FIELDS
from services.runtime.terminal import note, print_rows


def print_preview(shown: Mapping[str, Any]) -> None:
    """Print a described preview: one line for each column, then the counts."""
    print_rows(shown["rows"], ROW_FIELDS, empty="no row would change")
    for refused in shown["refused"]:
        note(f"{refused.get('event_id') or 'record'}: {refused['reason']}: {refused['detail']}")
    for table, count in shown["tables"].items():
        note(f"{count} rows of {table} would change")
    if shown["is_partial"]:
        note("not everything was tried: there are many, or live work held a lock")
