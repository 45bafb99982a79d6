"""The reason why an event cannot be read: it names fields and problems, and never a value."""

import orjson
import pytest

from events import codec
from events.catalog import EVENTS
from events.event import Event
from events.record import UnreadableEvent

SECRET = "Ada Lovelace"
WRONG_VALUES = (SECRET, {SECRET: SECRET}, [SECRET, {SECRET: [SECRET]}], {"x": {SECRET: object}})


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.name)
def test_the_reason_contains_no_value(kind: type[Event]) -> None:
    payloads = [{field: value} for field in (*kind.model_fields, SECRET) for value in WRONG_VALUES]
    for payload in (*payloads, SECRET):
        for version in range(1, kind.version + 1):
            event = codec.read_event(kind.name, version, orjson.dumps(payload, default=str))
            assert isinstance(event, UnreadableEvent)
            assert event.why.startswith(f"the payload is not a {kind.name}: ")
            assert SECRET not in event.why
