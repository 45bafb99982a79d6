"""The exits of runs: a status of the lead or an occurrence that ends a run early."""

from collections.abc import Collection
from typing import NamedTuple

from events.leads import LeadStatus
from events.workflows import ExitEvent
from services.deciders.workflows import WorkflowContent

REASONS = {
    ExitEvent.TOUR_BOOKED: "the lead booked a tour",
    ExitEvent.TOUR_CANCELLED: "the tour was cancelled",
    ExitEvent.REPLY_RECEIVED: "the lead replied",
    ExitEvent.OPT_OUT: "the lead wants no more messages",
}


class RunExit(NamedTuple):
    """The reason why a run ends early; `status` is that of the lead if the status is the reason."""

    code: str
    reason: str
    status: LeadStatus | None = None


def find_exit(
    content: WorkflowContent, status: LeadStatus, occurrences: Collection[str]
) -> RunExit | None:
    """Return why a run ends now; None if it goes on.

    `occurrences` are those since the run was enrolled.
    """
    if status in content.exit_conditions:
        return RunExit(f"lead_{status}", f"the lead is {status}", status)
    for exit_event in content.exit_events:
        if exit_event.value in occurrences:
            return RunExit(exit_event.value, REASONS[exit_event])
    return None
