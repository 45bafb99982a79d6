"""All deciders: `evolve` is total, and every decided event has a command."""

from typing import Any

from events.catalog import CATALOG, EVENTS
from events.codec import decode
from events.event import Event, Intake
from services.deciders.catalog import DECIDERS
from services.deciders.decided_events import COMMAND_OF
from tests.events.frozen import SAMPLES


def test_evolve_accepts_every_event() -> None:
    events: list[Event] = [decode(*sample) for sample in SAMPLES]
    assert {type(event) for event in events} == set(EVENTS)
    for decider in DECIDERS:
        state = decider.initial
        for event in [*events, *reversed(events)]:
            state = decider.evolve(state, event)
            decider.evolve(decider.initial, event)


def test_a_command_has_one_decider() -> None:
    commands = [command for decider in DECIDERS for command in decider.commands]
    assert len(commands) == len(set(commands))


def test_every_event_of_the_mode_decided_has_a_command() -> None:
    decided = {entry.kind for entry in CATALOG.values() if entry.intake is Intake.DECIDED}
    assert set(COMMAND_OF) == decided


def test_deciders_with_one_evolve_function_have_one_initial_state() -> None:
    """A unit of work shares the state of an entity between them."""
    initial: dict[Any, Any] = {}
    for decider in DECIDERS:
        assert initial.setdefault(decider.evolve, decider.initial) == decider.initial
