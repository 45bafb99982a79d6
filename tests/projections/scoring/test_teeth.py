"""No number of model v1.0 can be another without the plan's restatement noticing.

In as many examples as the test of the model itself looks at.
"""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from projections.scoring import v1
from projections.scoring.facts import micros
from tests.projections.scoring.plan import Lead, leads_at, plan

SEARCH = settings(
    max_examples=2_000, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
Change = tuple[str, Any]


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


def _differs(case: tuple[Lead, datetime]) -> bool:
    lead, now = case
    v1.source_score.cache_clear()
    return v1.score(lead.facts, micros(now))[:7] != plan(lead, now)


def test_the_model_as_it_stands_differs_nowhere() -> None:
    with pytest.raises(NoSuchExample):
        find(leads_at(), _differs, settings=settings(SEARCH, max_examples=1_000))


@pytest.mark.parametrize(("name", "value"), changes(), ids=str)
def test_a_number_that_is_one_off_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    monkeypatch.setattr(v1, name, value)
    find(leads_at(), _differs, settings=SEARCH)
    v1.source_score.cache_clear()
