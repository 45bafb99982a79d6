"""The steps that choose a path: `branch` by conditions, `split` by chance, `end`."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from events.runs import StepOutcome
from events.workflows import Step, StepAction
from services.deciders.steps.conditions import Condition
from services.deciders.steps.step_type import (
    Need,
    StepContext,
    StepDecision,
    StepOptions,
    StepTarget,
    StepType,
)

THEN, OTHERWISE = "then", "otherwise"


class BranchOptions(StepOptions):
    """The options of `branch`: if all conditions hold, the run goes to `then`.

    Else it goes to `otherwise`. Without a step id it goes to the next step.
    """

    conditions: Annotated[tuple[Condition, ...], Field(min_length=1, max_length=20)]
    then: StepTarget | None = None
    otherwise: StepTarget | None = None


class SplitPath(BaseModel):
    """A path of a split: it gets the part `weight` of all leads, and begins at `goes_to`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    weight: Annotated[int, Field(ge=0, le=10_000, strict=True)] = 1
    goes_to: StepTarget | None = None


class SplitOptions(StepOptions):
    """The options of `split`: the paths of a comparison of variants."""

    paths: Annotated[tuple[SplitPath, ...], Field(min_length=2, max_length=10)]

    @model_validator(mode="after")
    def _check_paths(self) -> Self:
        if len({path.name for path in self.paths}) < len(self.paths):
            raise ValueError("two paths have one name")
        if not any(path.weight for path in self.paths):
            raise ValueError("no path has a weight above 0")
        return self


def decide_branch(_step: Step, options: BranchOptions, context: StepContext) -> StepDecision:
    holds = all(condition.holds(context.values) for condition in options.conditions)
    choice, target = (THEN, options.then) if holds else (OTHERWISE, options.otherwise)
    return StepDecision(StepOutcome.DONE, choice=choice, goes_to=target)


def decide_split(step: Step, options: SplitOptions, context: StepContext) -> StepDecision:
    """Choose a path by a hash, so that a lead gets the same one in every run and version."""
    name = f"{context.lead_id}/{context.definition_id}/{step.id}"
    number = int.from_bytes(sha256(name.encode()).digest()[:8])
    rest = number % sum(path.weight for path in options.paths)
    for path in options.paths:
        if rest < path.weight:
            return StepDecision(StepOutcome.DONE, choice=path.name, goes_to=path.goes_to)
        rest -= path.weight
    raise AssertionError("the rest is smaller than the sum of the weights")


def decide_end(_step: Step, _options: StepOptions, _context: StepContext) -> StepDecision:
    return StepDecision(StepOutcome.DONE, ends=True)


def name_branch_targets(options: BranchOptions) -> Sequence[str]:
    return [target for target in (options.then, options.otherwise) if target is not None]


def name_split_targets(options: SplitOptions) -> Sequence[str]:
    return [path.goes_to for path in options.paths if path.goes_to is not None]


BRANCH = StepType(
    StepAction.BRANCH, BranchOptions, decide_branch, targets=name_branch_targets,
    needs=frozenset({Need.VALUES}),
)  # fmt: skip
SPLIT = StepType(StepAction.SPLIT, SplitOptions, decide_split, targets=name_split_targets)
END = StepType(StepAction.END, StepOptions, decide_end)
