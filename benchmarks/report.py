"""What was measured, as medians of rounds: a table for people, JSON for machines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Line:
    """One measurement beside what it is compared with; `aim` is the least, or most, the ratio."""

    what: str
    figure: str
    beside: str
    beside_figure: str
    ratio: float | None = None
    aim: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.ratio is None or self.aim is None:
            return None
        return self.ratio <= self.aim if self.at_most else self.ratio >= self.aim


@dataclass(frozen=True)
class Rounds:
    """Everything measured: name → one result a round, in the order the rounds were run."""

    found: dict[str, list[dict[str, Any]]]

    def rates(self, name: str) -> list[float]:
        """Events a second of each round."""
        return [one["events"] / one["seconds"] for one in self.found.get(name, [])]

    def rate(self, name: str) -> float:
        return median(self.rates(name))

    def ratio(self, name: str, beside: str) -> float:
        """The median of the rounds' ratios: both sides were measured one after the other."""
        pairs = zip(self.rates(name), self.rates(beside), strict=True)
        return median(one / other for one, other in pairs)

    def percentile(self, name: str, share: float) -> list[float]:
        return [_percentile(one["milliseconds"], share) for one in self.found.get(name, [])]


RATES = (
    ("append, in bulk", "bulk", "psql's COPY of the same log rows", "log_floor", None),
    ("relay: number and publish", "relay", "append, in bulk", "bulk", None),
    ("project: a projector a core", "projectors", "floor: psql's COPY of the rows", "floor", 0.5),
    ("project: one projector", "project", "floor: psql's COPY of the rows", "floor", None),
    ("project", "project", "quixstreams' PostgreSQL sink", "sink", 3.0),
    ("project", "project", "the tutorial way", "tutorial", 20.0),
    ("rebuild: log → swapped tables", "rebuild", "floor beside it", "rebuild_floor", 0.6),
    ("rebuild, folding only", "fold", "floor beside it", "rebuild_floor", None),
)  # fmt: skip
LATENCIES = (("p50", 0.5, 3.0), ("p99", 0.99, 5.0))


def lines(rounds: Rounds) -> list[Line]:
    made = []
    for what, name, beside, other, aim in RATES:
        if not (rounds.found.get(name) and rounds.found.get(other)):
            continue
        if not all(rounds.rates(name)):  # one was done before the others had joined
            made.append(Line(what, "too few events", beside, _rate(rounds.rate(other))))
        else:
            ratio = rounds.ratio(name, other)
            made.append(
                Line(what, _rate(rounds.rate(name)), beside, _rate(rounds.rate(other)), ratio, aim)
            )
    if singles := rounds.found.get("single"):
        made.insert(1, Line(
            "append, a commit an event", _rate(rounds.rate("single")), "on sixteen connections",
            _rate(median(one["events"] / one["seconds_on_16"] for one in singles)),
        ))  # fmt: skip
    for name, share, aim in LATENCIES:
        ours, bare = rounds.percentile("real", share), rounds.percentile("bare", share)
        if ours and bare:
            made.append(Line(
                f"action → visible row, {name}", f"{median(ours):.1f} ms", "the bare path",
                f"{median(bare):.1f} ms",
                median(a / b for a, b in zip(ours, bare, strict=True)), aim, at_most=True,
            ))  # fmt: skip
    made += _reads(rounds.found.get("read", []))
    return made


def _reads(found: list[dict[str, Any]]) -> list[Line]:
    """What row level security adds to reads of one property among many, in the median."""
    return [
        Line(
            f"read, p50: {part}",
            f"{median(one['parts'][part]['member'] for one in found):.1f} ms",
            "without row level security",
            f"{median(one['parts'][part]['worker'] for one in found):.1f} ms",
            median(one["parts"][part]["member"] / one["parts"][part]["worker"] for one in found),
        )
        for part in (found[0]["parts"] if found else ())
    ]


def as_json(rounds: Rounds, about: dict[str, Any]) -> dict[str, Any]:
    found = {
        name: [{k: v for k, v in one.items() if k != "milliseconds"} for one in results]
        for name, results in rounds.found.items()
    }
    return {
        **about,
        "lines": [{**asdict(line), "met": line.met} for line in lines(rounds)],
        "rounds": found,
    }


def show(rounds: Rounds, title: str) -> None:
    table = Table(title=title, title_justify="left")
    for name in ("measured", "", "beside", "", "ratio", "aim"):
        table.add_column(name, justify="right" if not name or name in ("ratio", "aim") else "left")
    for line in lines(rounds):
        sign = "≤" if line.at_most else "≥"
        aim = "" if line.aim is None else f"{sign} {line.aim:g} {'✓' if line.met else '✗'}"
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        table.add_row(line.what, line.figure, line.beside, line.beside_figure, ratio, aim)
    Console(width=120).print(table)


def _rate(events_per_second: float) -> str:
    return f"{events_per_second:,.0f}/s"


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
