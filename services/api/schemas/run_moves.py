"""Requests and responses of moves of runs to another version of their definition."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from events.fields import Count, Flag, Number, Text, Word
from services.api.schemas.schema import Examples, RequestModel, ResponseModel


class RunMoveRequest(RequestModel):
    """A move of the runs that have not ended to a version, by default to the newest one.

    `fromVersion` limits it to the runs of that version. A run goes on at the step with the same
    id; `steps` names other ones, as old id: new id. With `dryRun` nothing is moved: the response
    has the runs that would be moved, and those that would stay, because no step has their id.
    """

    examples: ClassVar[Examples] = {
        "a preview": {"dryRun": True},
        "a renamed step": {"fromVersion": 1, "steps": {"hello": "hello"}, "reason": "Shorter."},
    }

    from_version: Number | None = None
    to_version: Number | None = None
    steps: Annotated[dict[Word, Word], Field(max_length=100)] = Field(default_factory=dict)
    dry_run: Flag = False
    reason: Text | None = None


class MovedStep(ResponseModel):
    """The number of runs at a step; `toStep` is null if they stay as they are."""

    from_version: int
    from_step: str
    to_step: str | None
    runs: Count


class RunMoveResponse(ResponseModel):
    """The counts by step. At most 1,000 runs are moved: if `isComplete` is false, call again."""

    examples: ClassVar[Examples] = {
        "one step": {
            "success": True,
            "steps": [{"fromVersion": 1, "fromStep": "hello", "toStep": "hello", "runs": 12}],
            "isComplete": True,
        }
    }

    success: Literal[True]
    steps: list[MovedStep]
    is_complete: bool
