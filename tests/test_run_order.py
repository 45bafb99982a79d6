"""The order of the tests in a parallel run."""

from itertools import chain

import pytest

from tests.checkout import ROOT
from tests.run_order import LONGEST, deal

MODULES = [["demo"], ["kill", "kill again"], ["replay"], ["stack"]]
OTHERS = list("abcdefghijklmnop")


def test_the_longest_modules_exist() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("processes", range(1, 7))
def test_every_test_runs_once(processes: int) -> None:
    dealt = deal(MODULES, OTHERS, processes)
    assert sorted(dealt) == sorted([*chain.from_iterable(MODULES), *OTHERS])


def test_each_process_begins_with_long_modules() -> None:
    dealt = deal(MODULES, OTHERS, 3)
    assert dealt[:7] == ["demo", "stack", *"abcde"]
    assert dealt[7:14] == ["kill", "kill again", *"fghij"]
    assert dealt[14:] == ["replay", *"klmnop"]
