"""No number of model v1.0 can be another without the plan's restatement noticing.

In as many examples as the test of the model itself looks at.
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
EVERY_RUN_THE_SAME = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
Change = tuple[str, Any]
Case = tuple[ScoringInputs, int, tuple[Any, ...]]


def changes() -> list[Change]:
    """Each constant of the model by its name, once for every number in it that is one off."""
    found: list[Change] = [
        (name, getattr(v1, name) + step)
        for name in ("ENGAGEMENT_CAP", "OLDEST", "OTHER_SOURCE", "WINDOW")
        for step in (-1, 1)
    ]
    for name in ("BUCKETS", "AGES", "SOURCES"):
        table = getattr(v1, name)
        found += [
            (name, _one_more(table, row, column))
            for row, entry in enumerate(table)
            for column, number in enumerate(entry)
            if isinstance(number, int)
        ]
    found.append(("SOURCES", v1.SOURCES[::-1]))
    return found


def _one_more(table: Any, row: int, column: int) -> Any:
    changed = [list(entry) for entry in table]
    changed[row][column] += 1
    return tuple(map(tuple, changed))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Facts, an instant, and the plan's answer: the same in every run."""
    found: list[Case] = []

    @settings(EVERY_RUN_THE_SAME)
    @given(leads_at())
    def draw(drawn: tuple[Lead, datetime]) -> None:
        lead, now = drawn
        found.append((lead.inputs, micros(now), plan(lead, now)))

    draw()
    return found


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """What was scored with other numbers is forgotten before and after."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    v1.source_score.cache_clear()
    v1._result.cache_clear()


def _differences(cases: list[Case]) -> int:
    return sum(v1.score(inputs, now)[:7] != answer for inputs, now, answer in cases)


def test_the_model_as_it_stands_differs_nowhere(cases: list[Case]) -> None:
    assert len(cases) >= EXAMPLES
    assert not _differences(cases)


@pytest.mark.parametrize(("name", "value"), changes(), ids=str)
def test_a_number_that_is_one_off_is_noticed(
    monkeypatch: pytest.MonkeyPatch, cases: list[Case], name: str, value: Any
) -> None:
    monkeypatch.setattr(v1, name, value)
    assert _differences(cases)
