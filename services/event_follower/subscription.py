"""The events that a follower writes, and the group of checkpoints with its position."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from events.log.connection import Connection
from projections.engine import checkpoints
from projections.engine.head_checkpoints import create_at_heads

VERSION = "follow.1"
NAME_PATTERN = r"[a-z0-9][a-z0-9-]{0,39}"


class GenerationEnded(Exception):
    """The log has another generation than the events that were written."""

    def __init__(self, written: int, present: int) -> None:
        super().__init__(
            f"the log began generation {present} after a restore, and events of generation "
            f"{written} were written: some of them may not exist any more. Delete what was made "
            "from them, then run `crm events forget` with the same options, and follow again"
        )


class TypesChanged(Exception):
    """The name was followed with other types: events of the new ones were left out until now."""

    def __init__(self, name: str, stored: str, present: str) -> None:
        super().__init__(
            f"--types: the position of the name {name} is that of {_describe_types(stored)}, not "
            f"of {_describe_types(present)}: it would leave out earlier events. Give other types "
            "another --name, or run `crm events forget` with the same name and begin again"
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """A name, and the events of an organisation: of some properties and types, or of all.

    Without properties, the events of the organisation as a whole belong to it too.
    """

    name: str
    org_id: UUID
    property_ids: frozenset[UUID] = frozenset()
    types: frozenset[str] = frozenset()

    @property
    def group(self) -> str:
        """Return the name of the checkpoints. Other properties have other checkpoints.

        Two followers with one group take events from each other, so each event is in one of them.
        """
        content = " ".join([str(self.org_id), *sorted(map(str, self.property_ids))])
        return f"follow.{self.name}.{hashlib.sha256(content.encode()).hexdigest()[:16]}"

    @property
    def version(self) -> str:
        """Return the version of the checkpoints: with other types they leave out other events."""
        return " ".join([VERSION, *sorted(self.types)])

    @property
    def reader(self) -> str:
        """Return the name in the accounts of reads."""
        return f"consumer:{self.name}"

    def contains(self, org_id: object, property_id: object, event_type: str) -> bool:
        """Return whether an event belongs to it; ids are compared as texts."""
        if str(org_id) != str(self.org_id) or (self.types and event_type not in self.types):
            return False
        return not self.property_ids or str(property_id) in {str(key) for key in self.property_ids}


async def create_checkpoints(
    conn: Connection, subscription: Subscription, generation: int, *, at_head: bool
) -> None:
    """Create the checkpoints of a new subscription; those that exist are kept.

    Raise `GenerationEnded` if they are of another generation, and `TypesChanged`.
    """
    group, version = subscription.group, subscription.version
    stored = await conn.fetchrow(
        "SELECT generation, version FROM crm.checkpoints WHERE projection_group = $1 "
        "ORDER BY generation LIMIT 1",
        group,
    )
    if stored is None:
        create = create_at_heads if at_head else checkpoints.create
        await create(conn, group, version, generation)
    elif stored["generation"] != generation:
        raise GenerationEnded(stored["generation"], generation)
    elif stored["version"] != version:
        raise TypesChanged(subscription.name, stored["version"], version)


def _describe_types(version: str) -> str:
    """Return the types in the version of checkpoints, as they are given to `--types`."""
    return ",".join(version.split()[1:]) or "all types"
