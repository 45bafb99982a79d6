"""A proposal of a mapping, made from the names and the first values of the columns of a file."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from events.leads import LeadStatus
from services.lead_import.csv_table import CsvTable
from services.lead_import.proposal_dates import propose_format
from services.lead_import.proposal_names import (
    FIELD_NAMES,
    HISTORY_NAMES,
    NOTE_NAMES,
    OPT_OUT_NAMES,
    STATUS_WORDS,
    TAG_NAMES,
)
from services.lead_import.toml_text import array, quote, table

SAMPLE_RECORDS = 1_000
MAX_STATUSES = 30
SHOWN_VALUES = 5


def propose_mapping(table_of_file: CsvTable, name: str) -> str:
    """Return a mapping as TOML, with a comment at everything that must be decided or checked."""
    samples = _read_samples(table_of_file)
    found = _find_fields(table_of_file.columns)
    used = set(found.values())
    text_format = table_of_file.format
    form = f"encoding {text_format.encoding}, delimiter {text_format.delimiter!r}"
    lines = [
        f"# Proposed for {table_of_file.path.name}: read every line before the import.",
        f"# The file: {form}, {len(table_of_file.columns)} columns.",
        f"name = {quote(name)}",
        *_lead(found, samples),
        *_others(table_of_file.columns, used, samples),
    ]
    unused = [column for column in table_of_file.columns if column and column not in used]
    if unused:
        lines += ["", "# Columns that this mapping does not use, with their most frequent values:"]
        lines += [f"#   {quote(column)}: {_frequent(samples[column])}" for column in unused]
    return "\n".join(lines) + "\n"


def _read_samples(table_of_file: CsvTable) -> dict[str, list[str]]:
    """Return column → its values that are not blank, of the first records."""
    samples: dict[str, list[str]] = {column: [] for column in table_of_file.columns}
    for record in islice(table_of_file.records(), SAMPLE_RECORDS):
        for column, value in zip(table_of_file.columns, record.fields, strict=False):
            if value.strip():
                samples[column].append(value.strip())
    return samples


def _simplify(name: str) -> str:
    return re.sub(r"[^\w]|_", "", re.sub(r"\(.*\)$", "", name).casefold())


def _find_fields(columns: Sequence[str]) -> dict[str, str]:
    """Return field → column, by the first of the known names that a column has."""
    by_name = {_simplify(column): column for column in reversed(columns) if column}
    found: dict[str, str] = {}
    for field, names in FIELD_NAMES.items():
        column = next((by_name[name] for name in names if name in by_name), None)
        if column is not None and column not in found.values():
            found[field] = column
    return found


def _lead(found: Mapping[str, str], samples: Mapping[str, list[str]]) -> Iterator[str]:
    yield ""
    yield "[lead]"
    if "external_id" not in found:
        yield "# Missing: the column that identifies a lead. Without it nothing can be imported."
        yield "# external_id = "
    if "arrived" not in found:
        yield "# Missing: the column with the date on which the lead arrived. Without it give"
        yield "# --start and --rate, and the dates of the leads are invented."
        yield "# arrived = "
    for field, column in found.items():
        if field in ("arrived", "move_in_date"):
            parts, remark = propose_format(samples[column])
            if remark:
                yield f"# {remark}"
            yield f"{field} = {_date_column(column, parts)}"
        elif field == "assigned":
            yield f"assigned = {table({'column': column, 'unknown': 'ignore'})}"
        elif field != "status":
            yield f"{field} = {quote(column)}"
    if "status" in found:
        yield from _status(found["status"], samples[found["status"]])


def _status(column: str, values: Sequence[str]) -> Iterator[str]:
    yield ""
    yield "[lead.status]"
    yield f"column = {quote(column)}"
    yield "[lead.status.values]"
    for value, times in Counter(values).most_common(MAX_STATUSES):
        status = next(
            (status for words, status in STATUS_WORDS if re.search(words, value, re.IGNORECASE)),
            None,
        )
        yield f"{quote(value)} = {quote(status or LeadStatus.NEW)}  # {times} times" + (
            "" if status else ": unknown, decide what it means"
        )


def _others(
    columns: Sequence[str], used: set[str], samples: Mapping[str, list[str]]
) -> Iterator[str]:
    """Yield status history, tags, notes and consents; add their columns to `used`."""
    left = {column: _simplify(column) for column in columns if column and column not in used}
    done: list[str] = []
    for status, names in HISTORY_NAMES.items():
        for column in (column for column, name in left.items() if name in names):
            parts, remark = propose_format(samples[column])
            yield from ("", "[[history]]", f"status = {quote(status)}")
            if remark:
                yield f"# {remark}"
            yield f"at = {_date_column(column, parts)}"
            done.append(column)
    tags = [column for column, name in left.items() if name in TAG_NAMES]
    if tags:
        yield from ("", "[metadata]")
    for column in tags:
        joined = "".join(samples[column])
        separator = max(";,|", key=joined.count)
        split = {"split": separator} if separator in joined else {}
        yield f"{_simplify(column)} = {table({'column': column, **split})}"
    for column in (column for column, name in left.items() if name in NOTE_NAMES):
        yield from ("", "[[note]]", f"column = {quote(column)}")
        done.append(column)
    for column, name in left.items():
        if channel := OPT_OUT_NAMES.get(name):
            values = [value for value, _ in Counter(samples[column]).most_common(SHOWN_VALUES)]
            withdrawn = [v for v in values if re.fullmatch(r"y|yes|true|1|x", v, re.IGNORECASE)]
            yield from ("", "[[consent]]", f"channel = {quote(channel)}")
            yield f"column = {quote(column)}"
            yield f"withdrawn = {array(withdrawn or ['Yes'])}"
            done.append(column)
    used.update(tags, done)


def _date_column(column: str, parts: Mapping[str, str | list[str]]) -> str:
    return table({"column": column, **parts}) if parts else quote(column)


def _frequent(values: Sequence[str]) -> str:
    counts = Counter(" ".join(value.split())[:40] for value in values).most_common(SHOWN_VALUES)
    return ", ".join(f"{value} ({times})" for value, times in counts) or "no values"
