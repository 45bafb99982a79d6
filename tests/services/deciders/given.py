"""given(facts).when(command).then(events) or .refused(code): how decisions are told in tests."""

from dataclasses import dataclass
from typing import Any

import pytest

from events.event import Event
from services.deciders.catalog import decider_of
from services.deciders.decider import Refused


@dataclass(frozen=True)
class Given:
    """What happened so far."""

    recorded_events: tuple[Event, ...]

    def when(self, command: object) -> "When":
        return When(self.recorded_events, command)


@dataclass(frozen=True)
class When:
    """A command on what happened so far."""

    recorded_events: tuple[Event, ...]
    command: object

    @property
    def decided(self) -> list[Event]:
        decider = decider_of(self.command)
        state: Any = decider.initial
        for recorded in self.recorded_events:
            state = decider.evolve(state, recorded)
        return decider.decide(self.command, state)

    def then(self, *expected: Event) -> None:
        decided = self.decided
        assert decided == list(expected)
        assert [event.model_fields_set for event in decided] == [
            event.model_fields_set for event in expected
        ]

    def refused(self, code: str, status: int | None = None) -> None:
        with pytest.raises(Refused) as caught:
            _ = self.decided
        assert caught.value.code == code
        assert status in (None, caught.value.status)


def given(*recorded_events: Event) -> Given:
    return Given(recorded_events)
