"""The specification style of decider tests: given(events).when(command).then(events)."""

from dataclasses import dataclass
from typing import Any

import pytest

from events.event import Event
from services.deciders.catalog import DECIDER_OF
from services.deciders.decider import Refused


@dataclass(frozen=True)
class Given:
    """The events before a command."""

    events: tuple[Event, ...]

    def when(self, command: object) -> "Decision":
        return Decision(self.events, command)


@dataclass(frozen=True)
class Decision:
    """The decision of a command after some events."""

    before: tuple[Event, ...]
    command: object

    @property
    def events(self) -> list[Event]:
        decider = DECIDER_OF[type(self.command)]
        state: Any = decider.initial
        for event in self.before:
            state = decider.evolve(state, event)
        decided: list[Event] = decider.decide(self.command, state)
        return decided

    def then(self, *expected: Event) -> None:
        """Assert the decided events, and which of their fields are in the stored payload."""
        events = self.events
        assert events == list(expected)
        assert [event.model_fields_set for event in events] == [
            event.model_fields_set for event in expected
        ]

    def refused(self, code: str, status: int | None = None) -> None:
        """Assert that the command is refused with a code, and with a status if one is given."""
        with pytest.raises(Refused) as caught:
            _ = self.events
        assert caught.value.code == code
        assert status in (None, caught.value.status)


def given(*events: Event) -> Given:
    return Given(events)
