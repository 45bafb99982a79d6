"""The report of the pages: a table of all, and lines for `make bench`."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.console_pages.measuring import PageResult
from benchmarks.report_line import ReportLine

MAX_MILLISECONDS = 100.0
MAX_KIBIBYTES = 150.0
P95 = 0.95
KIBIBYTE = 1024
HEADS = (
    "page", "people", "CPU p50", "CPU p95", "of PostgreSQL", "wall p50", "wall p95", "statements",
    "rows read", "KiB of the page", "KiB with files",
)  # fmt: skip


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def weight(result: PageResult, statics: dict[str, int]) -> tuple[float, float]:
    """Return the KiB of a page as it is sent, and with the files that it loads."""
    files = sum(statics.get(address, 0) for address in result.statics)
    return result.sent_bytes / KIBIBYTE, (result.sent_bytes + files) / KIBIBYTE


def cells(result: PageResult, statics: dict[str, int]) -> list[str]:
    """Return the cells of a page's row, in the order of `HEADS`."""
    page, total = weight(result, statics)
    numbers = (
        median(result.cpu), percentile(result.cpu, P95), median(result.database),
        median(result.wall), percentile(result.wall, P95),
    )  # fmt: skip
    return [
        result.name, ", ".join(result.roles), *(f"{number:.1f}" for number in numbers),
        f"{len(result.statements)}", f"{result.rows:,}", f"{page:.1f}", f"{total:.1f}",
    ]  # fmt: skip


def misses(results: Sequence[PageResult], statics: dict[str, int]) -> list[str]:
    """Return the pages that miss a target, each with the reason."""
    found = []
    for result in results:
        wall, (_, total) = percentile(result.wall, P95), weight(result, statics)
        if wall > MAX_MILLISECONDS:
            found.append(f"{result.name}: p95 {wall:.0f} ms")
        if total > MAX_KIBIBYTES:
            found.append(f"{result.name}: {total:.0f} KiB")
    return found


def show_pages(results: Sequence[PageResult], statics: dict[str, int], title: str) -> None:
    """Print the table."""
    table = Table(title=title, title_justify="left")
    for head in HEADS:
        table.add_column(head, justify="left" if head in HEADS[:2] else "right")
    for result in results:
        table.add_row(*cells(result, statics))
    Console(width=190).print(table)


def as_markdown(results: Sequence[PageResult], statics: dict[str, int]) -> str:
    """Return the table for a document."""
    rows = [HEADS, ["---"] * len(HEADS), *(cells(result, statics) for result in results)]
    return "\n".join(f"| {' | '.join(text.replace('|', ' ') for text in row)} |" for row in rows)


def page_lines(rounds: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[ReportLine]:
    """Return the slowest page and the heaviest one of the rounds."""
    if not rounds:
        return []
    pages = list(rounds[0])
    slowest = {
        page: percentile([one for found in rounds for one in found[page]["milliseconds"]], P95)
        for page in pages
    }
    heaviest = {page: max(found[page]["kibibytes"] for found in rounds) for page in pages}
    report = []
    for what, unit, most, limit in (
        ("p95 of the slowest", "ms", slowest, MAX_MILLISECONDS),
        ("weight of the heaviest", "KiB", heaviest, MAX_KIBIBYTES),
    ):
        page = max(pages, key=most.__getitem__)
        report.append(ReportLine(
            f"{len(pages)} pages of the console, {what}: {page}", f"{most[page]:.0f} {unit}",
            "limit", f"{limit:.0f} {unit}", most[page] / limit, 1.0, is_maximum=True,
        ))  # fmt: skip
    return report
