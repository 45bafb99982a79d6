"""Settings of Python's garbage collector for processes that handle many events and rows."""

import gc

YOUNG_OBJECTS, MIDDLE_ROUNDS, OLD_ROUNDS = 500_000, 10, 10
"""The thresholds of the three generations.

Python's default (700, 10, 10) takes a third of the time in which events are decoded and folded.
"""


def collect_rarely() -> None:
    """Collect rarely from now on: events, rows and requests form few reference cycles.

    Objects that exist already are excluded from collection for ever.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_ROUNDS, OLD_ROUNDS)
