"""The output of `crm import leads` for people."""

from collections.abc import Mapping
from typing import Any

from services.runtime.terminal import note, print_line, print_rows


def show(summary: Mapping[str, Any]) -> None:
    """Print the counts, and of a dry run the preview and what the mapping does not cover."""
    note(f"read as {summary['encoding']} with the delimiter {summary['delimiter']!r}")
    appended = "would be appended" if summary["dry_run"] else "appended"
    counts = {name: summary[name] for name in ("lines", "new", "known", "refused")}
    print_rows([counts], list(counts))
    events = [{"event": name, appended: count} for name, count in summary["events"].items()]
    print_rows(events, ["event", appended], empty=f"no events {appended}")
    if summary["dry_run"]:
        for lead in summary["preview"]:
            _show_lead(lead)
        print_rows(
            summary["not_understood"], ["column", "mapped", "lines", "values"],
            empty="the mapping covers every column and value",
        )  # fmt: skip
    if summary["missing_columns"]:
        note(f"the file lacks columns of the mapping: {', '.join(summary['missing_columns'])}")
    if summary["refusals"]:
        print_rows(summary["refusals"], ["line", "why"])


def _show_lead(lead: Mapping[str, Any]) -> None:
    """Print one lead as it would be stored, and its history."""
    print_line(f"\nline {lead['line']}")
    fields = {**lead["lead"], **{f"metadata.{k}": v for k, v in lead["metadata"].items()}}
    for name, value in fields.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        print_line(f"  {name:<18} {shown}")
    for entry in lead["history"]:
        print_line(f"  {entry['at']:%Y-%m-%d %H:%M} {entry['event']}: {entry['what']}")
