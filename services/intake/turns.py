"""The turns of organisations: their decided events alternate, so that none waits for a flood."""

from collections import deque
from collections.abc import Iterable
from uuid import UUID

from events.event import Intake
from services.intake.outcome import IntakeItem

PropertyQueue = deque[IntakeItem]
"""The records of one property, in the order of arrival."""


def is_decided(queue: PropertyQueue) -> bool:
    """Return whether the first record of the queue must be decided."""
    return bool(queue) and queue[0].new_event.event.intake is not Intake.OBSERVED


class Turns:
    """Queues with a decided event at their head, taken in turn by organisation.

    A queue that is taken is not taken again before it is given back, so the records of a property
    stay in order.
    """

    def __init__(self, queues: Iterable[PropertyQueue]) -> None:
        self._by_org: dict[UUID, deque[PropertyQueue]] = {}
        self._rotation: deque[UUID] = deque()
        for queue in queues:
            self.give_back(queue)

    def take(self) -> PropertyQueue | None:
        """Return a queue of the next organisation, None if none is free."""
        if not self._rotation:
            return None
        org_id = self._rotation.popleft()
        queues = self._by_org[org_id]
        queue = queues.popleft()
        if queues:
            self._rotation.append(org_id)
        return queue

    def give_back(self, queue: PropertyQueue) -> None:
        """Put a queue at the end of its organisation's queues, if its head must be decided."""
        if not is_decided(queue):
            return
        org_id = queue[0].new_event.org_id
        queues = self._by_org.setdefault(org_id, deque())
        if not queues:
            self._rotation.append(org_id)
        queues.append(queue)
