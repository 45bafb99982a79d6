"""The document about workflows names every trigger, step type, option and exit event."""

from events.workflows import ExitEvent, ReentryRule
from services.deciders.steps.catalog import STEP_TYPES
from services.deciders.workflows import Trigger
from tests.checkout import ROOT

TEXT = (ROOT / "docs/workflows.md").read_text(encoding="utf-8")


def test_every_step_type_is_named_with_its_options() -> None:
    names = {action.value for action in STEP_TYPES} | {
        option for step_type in STEP_TYPES.values() for option in step_type.options.model_fields
    }
    assert len(names) > 25
    assert [name for name in sorted(names) if f"`{name}`" not in TEXT] == []


def test_every_trigger_rule_and_exit_event_is_named() -> None:
    names = [*Trigger, *ReentryRule, *ExitEvent]
    assert [name.value for name in names if f"`{name.value}`" not in TEXT] == []
