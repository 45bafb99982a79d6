"""Mutation tests: the comparison with the plan finds every changed number of model v1.0.

They use as many examples as the test of the model itself.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from projections.scoring import v1
from projections.scoring.inputs import ScoringInputs, micros
from tests.projections.scoring.plan import Lead, leads_at, plan

EXAMPLES = 2_000
SAME_EXAMPLES_EACH_RUN = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
Change = tuple[str, Any]
Case = tuple[ScoringInputs, int, tuple[Any, ...]]


def changes() -> list[Change]:
    """Return (constant, changed value), once for each number in each constant."""
    changed: list[Change] = [
        (name, getattr(v1, name) + step)
        for name in ("ENGAGEMENT_CAP", "OLDEST", "OTHER_SOURCE", "WINDOW")
        for step in (-1, 1)
    ]
    for name in ("BUCKETS", "AGES", "SOURCES"):
        table = getattr(v1, name)
        changed += [
            (name, _with_increment(table, row, column))
            for row, entry in enumerate(table)
            for column, number in enumerate(entry)
            if isinstance(number, int)
        ]
    changed.append(("SOURCES", v1.SOURCES[::-1]))
    return changed


def _with_increment(table: Any, row: int, column: int) -> Any:
    changed = [list(entry) for entry in table]
    changed[row][column] += 1
    return tuple(map(tuple, changed))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Return inputs, an instant and the plan's score: the same in every run."""
    cases: list[Case] = []

    @settings(SAME_EXAMPLES_EACH_RUN)
    @given(leads_at())
    def draw(example: tuple[Lead, datetime]) -> None:
        lead, now = example
        cases.append((lead.inputs, micros(now), plan(lead, now)))

    draw()
    return cases


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    """Clear cached scores, which were computed with other numbers."""
    _clear_caches()
    yield
    _clear_caches()


def _clear_caches() -> None:
    v1.source_score.cache_clear()
    v1._result.cache_clear()


def _count_differences(cases: list[Case]) -> int:
    return sum(v1.score(inputs, now)[:7] != expected for inputs, now, expected in cases)


def test_the_unchanged_model_equals_the_plan(cases: list[Case]) -> None:
    assert len(cases) >= EXAMPLES
    assert not _count_differences(cases)


@pytest.mark.parametrize(("name", "value"), changes(), ids=str)
def test_a_changed_number_is_found(
    monkeypatch: pytest.MonkeyPatch, cases: list[Case], name: str, value: Any
) -> None:
    monkeypatch.setattr(v1, name, value)
    assert _count_differences(cases)
