"""All deciders together: total, pure, and one for every event a producer may propose."""

from events.catalog import CATALOG, EVENTS, decode
from events.event import Event, Intake
from services.deciders.catalog import DECIDERS
from services.deciders.decided_events import COMMAND_OF
from tests.events.frozen import SAMPLES


def test_evolving_takes_any_event_in_any_state() -> None:
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


def test_whatever_a_producer_may_propose_the_core_can_decide() -> None:
    decided = {entry.kind for entry in CATALOG.values() if entry.intake is Intake.DECIDED}
    assert set(COMMAND_OF) == decided
