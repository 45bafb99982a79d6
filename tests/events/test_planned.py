"""The mark `planned`: event classes that nothing produces, computed from the source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import migrations
from events.catalog import CATALOG
from events.contract.asyncapi import document
from events.contract.describe import contract, schema_document
from events.event import Intake
from migrations.scripts import FOLDER

ROOT = Path(migrations.__file__).parent.parent
PACKAGES = ("events", "projections", "services")
CLASSES = {entry.kind.__name__: entry.name for entry in CATALOG.values()}
PLANNED = {entry.name for entry in CATALOG.values() if entry.planned}


def name_of(node: ast.expr) -> str:
    """Return the class name of `LeadNoted`, `leads.LeadNoted` and `LeadNoted.model_validate`."""
    if isinstance(node, ast.Attribute):
        return node.attr if node.attr in CLASSES else name_of(node.value)
    return node.id if isinstance(node, ast.Name) else ""


def constructed_in_python() -> Iterator[str]:
    """Yield names of classes that are called, or selected by a condition before the call."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield name_of(node.func)
                elif isinstance(node, ast.IfExp):
                    yield from (name_of(node.body), name_of(node.orelse))


def appended_in_sql() -> set[str]:
    """Return the event types that functions and triggers of the migrations append."""
    script = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sorted(FOLDER.glob("*.sql"))
        if not path.name.endswith(".down.sql")
    )
    recorded = {
        f"{entity}.recorded" for entity in re.findall(r"crm\.record_reference\(\s*'(\w+)'", script)
    }
    return recorded | {name for name in CATALOG if f"'{name}'" in script}


def produced_events() -> set[str]:
    """Return the event types that the core constructs, SQL appends or producers may send."""
    accepted = {entry.name for entry in CATALOG.values() if entry.intake is not Intake.NO}
    constructed = {CLASSES[name] for name in constructed_in_python() if name in CLASSES}
    return constructed | appended_in_sql() | accepted


def test_exactly_the_events_that_nothing_produces_are_marked_planned() -> None:
    assert CATALOG.keys() - produced_events() == PLANNED


def test_the_computation_finds_produced_and_planned_events() -> None:
    produced = produced_events()
    assert {"lead.noted", "lead.adopted", "profile.recorded", "engagement.recorded"} <= produced


def test_contract_schemas_and_asyncapi_mark_the_planned_events() -> None:
    events = contract()["events"]
    messages = document()["components"]["messages"]
    for name, event in events.items():
        is_planned = name in PLANNED
        assert event["planned"] is is_planned
        assert schema_document(name, event).get("x-planned", False) is is_planned
        assert messages[name].get("x-planned", False) is is_planned
