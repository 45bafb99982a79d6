"""What may change in a released contract, for random events and every kind of change."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from events.contract.check import judged
from events.contract.compare import Verdict
from events.contract.describe import contract
from tests.events.contract import edits
from tests.events.contract.schemas import Edit, Event, events, events_for

NAME = "thing.done"
names = st.sampled_from(["thing.made", "thing.moved", "thing.lost"])
TODAY = contract()
EACH = 40
"""Examples of every change: there are some fifty."""


def by_name(edit: Edit) -> str:
    return edit.__name__


def verdicts(before: Event, after: Event, upcasts: Any = ()) -> list[Verdict]:
    found = judged(
        {"events": {NAME: before}}, {"events": {NAME: after}}, dict.fromkeys(upcasts, dict)
    )
    return [change.verdict for change in found]


def edited(event: Event, change: Edit) -> Event:
    after = deepcopy(event)
    assert change(after)
    return after


@given(event=events())
def test_nothing_changed_is_nothing_to_say(event: Event) -> None:
    assert verdicts(event, deepcopy(event)) == []


def test_todays_catalog_keeps_itself() -> None:
    assert judged(TODAY, deepcopy(TODAY)) == []


@pytest.mark.parametrize("change", edits.KIND, ids=by_name)
@settings(max_examples=EACH)
@given(data=st.data())
def test_others_can_live_with(change: Edit, data: st.DataObject) -> None:
    event = data.draw(events_for(change))
    found = verdicts(event, edited(event, change))
    assert found
    assert set(found) == {Verdict.COMPATIBLE}


@pytest.mark.parametrize("change", edits.SHAPE_BREAKING + edits.ALWAYS_BREAKING, ids=by_name)
@settings(max_examples=EACH)
@given(data=st.data())
def test_somebody_breaks_on(change: Edit, data: st.DataObject) -> None:
    event = data.draw(events_for(change))
    assert Verdict.INCOMPATIBLE in verdicts(event, edited(event, change))


@pytest.mark.parametrize("change", edits.SHAPE_BREAKING, ids=by_name)
@settings(max_examples=EACH)
@given(data=st.data())
def test_a_new_version_with_its_upcast_may(change: Edit, data: st.DataObject) -> None:
    event = data.draw(events_for(change))
    after = edited(event, change)
    after["version"] += 1
    found = verdicts(event, after, upcasts=[(NAME, event["version"])])
    assert set(found) == {Verdict.COMPATIBLE}
    assert Verdict.INCOMPATIBLE in verdicts(event, after)


@settings(max_examples=200)
@given(
    event=events(),
    kind=st.lists(st.sampled_from(edits.KIND), unique=True, max_size=4),
    breaking=st.sampled_from(edits.SHAPE_BREAKING[:4] + edits.ALWAYS_BREAKING[:3]),
)
def test_a_breaking_change_is_found_among_kind_ones(
    event: Event, kind: list[Edit], breaking: Edit
) -> None:
    after = deepcopy(event)
    for change in kind:
        change(after)
    assume(breaking(after))
    found = verdicts(event, after)
    assert found[0] is Verdict.INCOMPATIBLE
    assert found == sorted(found, key=lambda verdict: verdict is Verdict.COMPATIBLE)


@given(before=st.dictionaries(names, events()), after=st.dictionaries(names, events()))
def test_events_may_come_and_never_go(before: dict[str, Event], after: dict[str, Event]) -> None:
    known = {name: event for name, event in before.items() if name in after}
    found = judged({"events": before}, {"events": {**after, **known}})
    gone = {change.where for change in found if change.verdict is Verdict.INCOMPATIBLE}
    new = {change.where for change in found if change.verdict is Verdict.COMPATIBLE}
    assert gone == before.keys() - after.keys()
    assert new == after.keys() - before.keys()


@pytest.mark.parametrize("name", sorted(TODAY["events"]))
@pytest.mark.parametrize(
    "change",
    [edits.make_field_optional, edits.add_required_field, edits.change_stream, edits.change_intake],
    ids=by_name,
)
def test_breaking_a_real_event_is_named(name: str, change: Edit) -> None:
    after = {"events": {**TODAY["events"], name: deepcopy(TODAY["events"][name])}}
    assert change(after["events"][name])
    found = judged(TODAY, after)
    assert any(f.verdict is Verdict.INCOMPATIBLE and f.where.startswith(name) for f in found)
