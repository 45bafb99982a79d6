"""The lines of the report on single commits: commands compared with INSERT and commit."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.report_line import ReportLine

TARGET = 0.5
"""The aim on sixteen connections."""


def commit_lines(results: Mapping[str, Sequence[dict[str, Any]]]) -> list[ReportLine]:
    """Return a line for each durability and number of connections that was measured."""
    return [
        ReportLine(
            f"command append{suffix}, {connections}", _rate(commands, seconds),
            "INSERT and commit of the same row", _rate(inserts, seconds),
            median(
                bare[seconds] / core[seconds] for core, bare in zip(commands, inserts, strict=True)
            ),
            target,
        )
        for suffix in ("", " not durable")
        if (commands := results.get(f"commands{suffix}"))
        and (inserts := results.get(f"inserts{suffix}"))
        for connections, seconds, target in (
            ("1 connection", "seconds", None), ("16 connections", "seconds_on_16", TARGET),
        )
    ]  # fmt: skip


def _rate(results: Sequence[dict[str, Any]], seconds: str) -> str:
    return f"{median(result['events'] / result[seconds] for result in results):,.0f}/s"
