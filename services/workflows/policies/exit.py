"""The policy `exit`: a status or an occurrence ends the runs whose definition names it."""

from uuid import UUID

from events.consents import ConsentWithdrawn
from events.conversations import ConversationMessageReceived
from events.leads import LeadStatusChanged
from events.record import RecordedEvent
from events.tours import TourCancelled, TourScheduled
from services.application.run_exits import exit_run
from services.application.unit_of_work import UnitOfWork
from services.workflows.policies.lead_runs import find_earlier_runs
from services.workflows.policies.policy import Policy, readable


async def act(uow: UnitOfWork, recorded: RecordedEvent, run_id: UUID) -> None:
    """End the run if its definition says so."""
    await exit_run(uow, run_id, readable(recorded))


EXIT = Policy(
    "exit",
    (
        LeadStatusChanged, TourScheduled, TourCancelled, ConversationMessageReceived,
        ConsentWithdrawn,
    ),
    find_earlier_runs,
    act,
)  # fmt: skip
