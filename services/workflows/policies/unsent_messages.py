"""The policy `skip_messages`: a run that ends early takes back its messages that were not sent.

The sender checks the run again at the hand-over. This policy lets people see at once that a message
is not going to be sent.
"""

from uuid import UUID

from events.record import RecordedEvent, Stream
from events.runs import RunConverted, RunStepReached, RunStopped
from services.application.unit_of_work import UnitOfWork
from services.deciders import hand_overs
from services.deciders.delivery_state import OPEN
from services.deciders.hand_overs import SkipDelivery
from services.deciders.sending_rules.runs import ENDED
from services.workflows.policies.policy import Policy, readable


async def find_open_messages(uow: UnitOfWork, recorded: RecordedEvent) -> list[UUID]:
    """Return the messages of the run's steps that are planned or held."""
    history = await uow.history(Stream("run", recorded.entity_id))
    planned = [
        earlier.event.delivery_id
        for earlier in history
        if isinstance(earlier.event, RunStepReached) and earlier.event.delivery_id is not None
    ]
    return [key for key in planned if (await uow.load(hand_overs.decider, key)).status in OPEN]


async def act(uow: UnitOfWork, recorded: RecordedEvent, delivery_id: UUID) -> None:
    """Skip the message, unless a sender has claimed it meanwhile."""
    if (await uow.load(hand_overs.decider, delivery_id)).status not in OPEN:
        return
    match readable(recorded):
        case RunStopped(reason=reason):
            detail = f"the run has ended: {reason}"
        case RunConverted(status=status):
            detail = f"the run has ended: the lead is {status}"
        case _:
            return
    await uow.execute(SkipDelivery(delivery_id, ENDED, detail))


SKIP_MESSAGES = Policy("skip_messages", (RunStopped, RunConverted), find_open_messages, act)
