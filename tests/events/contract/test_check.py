"""Compatible and incompatible changes of a contract, for random events."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from events.contract.check import judge_changes
from events.contract.compare import Verdict
from events.contract.describe import contract
from tests.events.contract import edits
from tests.events.contract.schemas import Edit, Event, events, events_for

NAME = "thing.done"
names = st.sampled_from(["thing.made", "thing.moved", "thing.lost"])
CURRENT_CONTRACT = contract()
EXAMPLES_PER_EDIT = 40
"""There are about fifty edits."""


def edit_name(edit: Edit) -> str:
    return edit.__name__


def verdicts(before: Event, after: Event, upcasts: Any = ()) -> list[Verdict]:
    changes = judge_changes(
        {"events": {NAME: before}}, {"events": {NAME: after}}, dict.fromkeys(upcasts, dict)
    )
    return [change.verdict for change in changes]


def edited(event: Event, edit: Edit) -> Event:
    after = deepcopy(event)
    assert edit(after)
    return after


@given(event=events())
def test_an_unchanged_event_has_no_differences(event: Event) -> None:
    assert verdicts(event, deepcopy(event)) == []


def test_the_current_catalog_has_no_differences_from_itself() -> None:
    assert judge_changes(CURRENT_CONTRACT, deepcopy(CURRENT_CONTRACT)) == []


@pytest.mark.parametrize("edit", edits.COMPATIBLE, ids=edit_name)
@settings(max_examples=EXAMPLES_PER_EDIT)
@given(data=st.data())
def test_a_compatible_edit_is_accepted(edit: Edit, data: st.DataObject) -> None:
    event = data.draw(events_for(edit))
    found_verdicts = verdicts(event, edited(event, edit))
    assert found_verdicts
    assert set(found_verdicts) == {Verdict.COMPATIBLE}


@pytest.mark.parametrize("edit", edits.SCHEMA_BREAKING + edits.ALWAYS_BREAKING, ids=edit_name)
@settings(max_examples=EXAMPLES_PER_EDIT)
@given(data=st.data())
def test_an_incompatible_edit_is_found(edit: Edit, data: st.DataObject) -> None:
    event = data.draw(events_for(edit))
    assert Verdict.INCOMPATIBLE in verdicts(event, edited(event, edit))


@pytest.mark.parametrize("edit", edits.SCHEMA_BREAKING, ids=edit_name)
@settings(max_examples=EXAMPLES_PER_EDIT)
@given(data=st.data())
def test_an_incompatible_edit_is_accepted_in_a_new_version_with_an_upcast(
    edit: Edit, data: st.DataObject
) -> None:
    event = data.draw(events_for(edit))
    after = edited(event, edit)
    after["version"] += 1
    found_verdicts = verdicts(event, after, upcasts=[(NAME, event["version"])])
    assert set(found_verdicts) == {Verdict.COMPATIBLE}
    assert Verdict.INCOMPATIBLE in verdicts(event, after)


@settings(max_examples=200)
@given(
    event=events(),
    compatible=st.lists(st.sampled_from(edits.COMPATIBLE), unique=True, max_size=4),
    incompatible=st.sampled_from(edits.SCHEMA_BREAKING[:4] + edits.ALWAYS_BREAKING[:3]),
)
def test_an_incompatible_edit_is_found_among_compatible_ones(
    event: Event, compatible: list[Edit], incompatible: Edit
) -> None:
    after = deepcopy(event)
    for edit in compatible:
        edit(after)
    assume(incompatible(after))
    found_verdicts = verdicts(event, after)
    assert found_verdicts[0] is Verdict.INCOMPATIBLE
    assert found_verdicts == sorted(
        found_verdicts, key=lambda verdict: verdict is Verdict.COMPATIBLE
    )


@given(before=st.dictionaries(names, events()), after=st.dictionaries(names, events()))
def test_events_can_be_added_but_not_removed(
    before: dict[str, Event], after: dict[str, Event]
) -> None:
    unchanged = {name: event for name, event in before.items() if name in after}
    changes = judge_changes({"events": before}, {"events": {**after, **unchanged}})
    removed = {change.where for change in changes if change.verdict is Verdict.INCOMPATIBLE}
    new = {change.where for change in changes if change.verdict is Verdict.COMPATIBLE}
    assert removed == before.keys() - after.keys()
    assert new == after.keys() - before.keys()


@pytest.mark.parametrize("name", sorted(CURRENT_CONTRACT["events"]))
@pytest.mark.parametrize(
    "edit",
    [edits.make_field_optional, edits.add_required_field, edits.change_stream, edits.change_intake],
    ids=edit_name,
)
def test_an_incompatible_edit_of_a_catalog_event_names_the_event(name: str, edit: Edit) -> None:
    after = {
        "events": {**CURRENT_CONTRACT["events"], name: deepcopy(CURRENT_CONTRACT["events"][name])}
    }
    assert edit(after["events"][name])
    assert any(
        change.verdict is Verdict.INCOMPATIBLE and change.where.startswith(name)
        for change in judge_changes(CURRENT_CONTRACT, after)
    )
