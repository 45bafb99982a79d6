"""The modules that a request or a record passes on its way to the log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from events.log.append import append
from events.log.plain_append import append_plain

MAX_MODULES = 12
PARTS = ("application", "deciders", "intake", "host", "api")
"""The parts of `services` that know the domain; the others are libraries of every process."""
TYPES = {
    "services.application.scope", "services.application.command_result",
    "services.deciders.decider", "services.intake.outcome", "services.application.raw_record",
}  # fmt: skip
"""Modules of values that the others hand to each other."""
SETTINGS = {"services.intake.settings"}

_APPENDS: set[CodeType] = {append.__code__, append_plain.__code__}


@contextmanager
def recorded_walk(first: Any) -> Iterator[set[str]]:
    """Record the modules whose functions run from the function `first` to the first append."""
    modules: set[str] = set()
    callers: set[CodeType] = set()
    has_ended = False

    def record(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal has_ended
        if frame.f_code is first.__code__ and not callers:
            callers.update(_callers_of(frame))
        # A coroutine that goes on is called again, and so are those that wait for it.
        if event != "call" or has_ended or not callers or frame.f_code in callers:
            return
        has_ended = frame.f_code in _APPENDS
        name = frame.f_globals.get("__name__", "")
        is_counted = name.startswith("services.") and name.split(".")[1] in PARTS
        if is_counted and name not in TYPES | SETTINGS and frame.f_code.co_name != "__init__":
            modules.add(name)

    sys.setprofile(record)
    try:
        yield modules
    finally:
        sys.setprofile(None)
    assert has_ended, "nothing was appended"


def _callers_of(frame: FrameType) -> Iterator[CodeType]:
    while frame.f_back is not None:
        frame = frame.f_back
        yield frame.f_code
