"""A correction of aiokafka's consumer: it leaves a group in the first generation of the group too.

Kafka counts generations from 1, so aiokafka sends no leave request in generation 0. The embedded
broker counts from 0. There the next member waited for the session of a member that had stopped:
11 s instead of 3 s.
"""

from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator

_leave_later_generation = GroupCoordinator._maybe_leave_group


async def _leave_group(coordinator: Any) -> None:
    if coordinator.generation == 0:
        coordinator.generation = 1  # the request does not contain it, and it is reset afterwards
    await _leave_later_generation(coordinator)


def leave_first_generations() -> None:
    """Make the aiokafka consumers of this process leave their groups in every generation."""
    GroupCoordinator._maybe_leave_group = _leave_group
