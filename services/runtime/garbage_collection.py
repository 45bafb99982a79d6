"""Python's collector of cycles, told to look rarely: facts and rows are many and make none."""

import gc

YOUNG_OBJECTS, MIDDLE_ROUNDS, OLD_ROUNDS = 500_000, 10, 10
"""Python's own 700, 10, 10 cost a third of the time in which events are decoded and folded."""


def collect_rarely() -> None:
    """From now on in this process; what is there already is never looked at again."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_ROUNDS, OLD_ROUNDS)
