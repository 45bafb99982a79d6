"""Every importer of `events.bus` reads the records of events only through the verifying reader."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READERS = {"read_record", "ReceivedRecord", "find_problem"}
"""Names with which a module could read a record, or make one, without its checks."""
ALLOWED = {
    "events/bus/wire.py": "it defines the format",
    "events/bus/verify.py": "it is the verifying reader",
    "events/bus/tail.py": "it checks the digest itself: the relay applies nothing",
    "services/event_consumer/traced_events.py": "it uses only the id, to name the span of an event",
    "benchmarks/sink.py": "it measures a consumer outside the core, which never gets the key",
    "benchmarks/tutorial.py": "it measures a consumer outside the core, which never gets the key",
}
CREATORS = {"AIOKafkaConsumer", "Consumer", "subscriber"}
CONSUMERS = {
    "events/bus/read.py": "it gives everything to a verifying reader",
    "events/bus/publish.py": "it compares offsets, and reads tails",
    "services/event_consumer/consumer.py": "it gives everything to a verifying reader",
    "services/event_follower/follow.py": "its follower gives everything to a verifying reader",
    "services/intake/consumer.py": "it reads the topic of producers",
    "services/local_stack/drain.py": "it compares offsets",
    "benchmarks/latency.py": "it measures the broker alone",
    "benchmarks/sink.py": "it measures a consumer outside the core",
    "benchmarks/tutorial.py": "it measures a consumer outside the core",
}
"""The modules that create a Kafka consumer."""


def modules() -> list[str]:
    folders = ("events", "projections", "services", "benchmarks")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def names_called(module: str) -> set[str]:
    """Return the names and attributes that a module calls, and those that it passes on."""
    tree = ast.parse((ROOT / module).read_text())
    annotations = {
        id(part)
        for node in ast.walk(tree)
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if annotation is not None
        for part in ast.walk(annotation)
    }
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in annotations
    }


def test_records_are_read_only_through_the_verifying_reader() -> None:
    assert {module for module in modules() if names_called(module) & READERS} == ALLOWED.keys()


def test_every_module_that_creates_a_consumer_is_listed_with_its_reason() -> None:
    assert {m for m in modules() if names_called(m) & CREATORS} == CONSUMERS.keys()


def test_projector_and_policies_share_the_one_consumer_of_events() -> None:
    users = {module for module in modules() if "consume_events" in names_called(module)}
    assert users == {"services/projector/projector.py", "services/workflows/workflows.py"}
    makers = {module for module in modules() if "EventConsumer" in names_called(module)}
    assert makers == {"services/event_consumer/process.py"}


@pytest.mark.parametrize(
    "module",
    ["events/bus/read.py", "services/event_consumer/consumer.py",
     "services/event_follower/follower.py"],
)  # fmt: skip
def test_a_consumer_of_events_uses_the_verifying_reader(module: str) -> None:
    source = (ROOT / module).read_text()
    assert "VerifyingReader" in source
    assert not re.search(r"\.value\b", source), f"{module} looks into a record itself"
