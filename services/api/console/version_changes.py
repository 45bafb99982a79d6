"""The differences of two versions of a workflow in words, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from services.api.console.step_words import (
    describe_age,
    describe_delay,
    describe_ends,
    describe_reentry,
    describe_step,
    describe_trigger,
    find_paths,
)

Row = Mapping[str, Any]
Names = Mapping[str, str]


class VersionChange(NamedTuple):
    """One difference: what, and how it is in the older and in the newer version; None is absent."""

    what: str
    kind: str
    before: str | None
    after: str | None


def compare_versions(before: Row, after: Row, names: Names, agents: Names) -> list[VersionChange]:
    """Return the differences of two versions: first the workflow, then step by step."""
    changes = [
        VersionChange(what, "changed", old, new)
        for what, old, new in _compare_content(before, after)
        if old != new
    ]
    return changes + list(_compare_steps(before["steps"], after["steps"], names, agents))


def _compare_content(before: Row, after: Row) -> Iterator[tuple[str, str, str]]:
    for what, describe in (
        ("Name", lambda one: one["name"]),
        ("Description", lambda one: one["description"] or "none"),
        ("Starts when", lambda one: describe_trigger(one["trigger_on"])),
        ("How often", describe_reentry),
        ("Starts nothing if it is older than", describe_age),
        ("Ends early when", lambda one: ", or ".join(describe_ends(one)) or "never"),
    ):
        yield what, describe(before), describe(after)


def _compare_steps(
    before: Sequence[Row], after: Sequence[Row], names: Names, agents: Names
) -> Iterator[VersionChange]:
    """Compare steps with the same id. A run goes on at the step with the id of its step."""
    old = {step["id"]: number for number, step in enumerate(before)}
    new = {step["id"]: number for number, step in enumerate(after)}
    for step_id, number in new.items():
        text = _sentence(after, number, names, agents)
        if step_id not in old:
            yield VersionChange(f"Step {step_id}", "added", None, text)
            continue
        old_text = _sentence(before, old[step_id], names, agents)
        if old_text != text:
            yield VersionChange(f"Step {step_id}", "changed", old_text, text)
        elif before[old[step_id]] != after[number]:
            old_options, options = before[old[step_id]].get("options"), after[number].get("options")
            yield VersionChange(
                f"Step {step_id}, options", "changed", str(old_options), str(options)
            )
    for step_id, number in old.items():
        if step_id not in new:
            text = _sentence(before, number, names, agents)
            yield VersionChange(f"Step {step_id}", "removed", text, None)


def _sentence(steps: Sequence[Row], number: int, names: Names, agents: Names) -> str:
    """Return place, time and action of a step, and the steps to which it goes."""
    step = steps[number]
    text = f"{number + 1}. {describe_delay(step, number)}: {describe_step(step, names, agents)}"
    paths = [
        f"{why}: {'the next step' if target is None else 'step ' + steps[target]['id']}"
        for why, target in find_paths(step, steps)
    ]
    return f"{text} ({'; '.join(paths)})" if paths else text
