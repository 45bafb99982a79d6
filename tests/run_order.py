"""The order of the tests: each process of a parallel run begins with some of the longest modules.

A long test that begins last runs alone: the other processes have nothing left to do.
"""

import os
from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

import pytest

LONGEST = (
    "tests/test_demo.py",
    "tests/test_readme.py",
    "tests/races/test_opt_out_interleavings.py",
    "tests/races/test_sender_kills.py",
    "tests/races/test_core_kills.py",
    "tests/races/test_servers.py",
    "tests/docs/test_how_to.py",
    "tests/services/cli/test_projection.py",
    "tests/replay_determinism/test_erasure.py",
    "tests/services/api/test_openapi.py",
    "tests/replay_determinism/test_replay_determinism.py",
    "tests/replay_determinism/test_poison.py",
    "tests/races/test_takeovers.py",
    "tests/services/workflows/test_end_to_end.py",
    "tests/races/test_erasure.py",
    "tests/races/test_kills.py",
    "tests/services/event_follower/test_kills.py",
    "tests/services/api/test_bad_input.py",
    "tests/races/test_restores.py",
)
"""The modules with tests of more than 20 s on a busy machine, the longest first."""

Item = TypeVar("Item")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest modules first, after the tests that do not run here are left out."""
    root, modules = config.rootpath, {name: list[pytest.Item]() for name in LONGEST}
    others: list[pytest.Item] = []
    for item in items:
        modules.get(item.path.relative_to(root).as_posix(), others).append(item)
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = deal(list(modules.values()), others, processes)


def deal(modules: Sequence[Sequence[Item]], others: Sequence[Item], processes: int) -> list[Item]:
    """Return all tests so that each process finds some of the modules first, in turn.

    pytest-xdist divides the list into parts of equal length, one for each process. Later a process
    that has no test left takes tests from the end of another part.
    """
    total = sum(map(len, modules)) + len(others)
    dealt, rest = list[Item](), iter(others)
    for number in range(processes):
        first = [item for module in modules[number::processes] for item in module]
        length = (total - len(dealt)) // (processes - number)
        dealt += [*first, *islice(rest, max(0, length - len(first)))]
    return [*dealt, *rest]
