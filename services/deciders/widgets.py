"""The widget of a property: its keys, and its settings as they stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.record import Stream
from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from services.deciders.decider import Decider, Refused
from services.deciders.fields import without_nulls


@dataclass(frozen=True, slots=True)
class IssueKey:
    """A new key; the one before it works until `previous_valid_until`, or no more."""

    property_id: UUID
    key_id: UUID
    key_hash: str
    previous_valid_until: datetime | None = None
    issued_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """A key stops working at once."""

    property_id: UUID
    key_id: UUID
    reason: str | None = None
    revoked_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ConfigureWidget:
    """Change settings: a field that is absent stays as it was."""

    property_id: UUID
    changes: Mapping[str, Any]
    configured_by: UUID | None = None


Command: TypeAlias = IssueKey | RevokeKey | ConfigureWidget


@dataclass(frozen=True, slots=True)
class Widget:
    """`settings` are those ever set; `keys` the ids of keys that have not been revoked, of which
    the one in `ending` works until then."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[UUID, ...] = ()
    ending: tuple[UUID, datetime] | None = None

    def previous_ends(self, wanted: datetime | None) -> datetime | None:
        """When the key before a new one ends: as wanted, but no later than it was to end before."""
        if wanted is None or not self.keys:
            return None
        if self.ending is not None and self.ending[0] == self.keys[-1]:
            return min(wanted, self.ending[1])
        return wanted


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("widget", command.property_id)]


def evolve(state: Widget, event: Event) -> Widget:
    match event:
        case WidgetConfigured():
            return replace(state, settings={**state.settings, **event.changes})
        case WidgetKeyIssued():
            until = event.previous_valid_until
            before = state.keys[-1:] if until else ()
            ending = (before[0], until) if before and until else None
            return replace(state, keys=(*before, event.key_id), ending=ending)
        case WidgetKeyRevoked():
            return replace(state, keys=tuple(k for k in state.keys if k != event.key_id))
        case _:
            return state


def decide(command: Command, state: Widget) -> list[Event]:
    match command:
        case IssueKey():
            if command.key_id in state.keys:
                return []
            said = {
                "property_id": command.property_id, "key_id": command.key_id,
                "key_hash": command.key_hash, "issued_by": command.issued_by,
                "previous_valid_until": state.previous_ends(command.previous_valid_until),
            }  # fmt: skip
            return [WidgetKeyIssued.model_validate(without_nulls(**said))]
        case RevokeKey():
            if command.key_id not in state.keys:
                raise Refused("unknown_key", f"{command.key_id} is no key in use", 404)
            said = {
                "property_id": command.property_id, "key_id": command.key_id,
                "reason": command.reason, "revoked_by": command.revoked_by,
            }  # fmt: skip
            return [WidgetKeyRevoked.model_validate(without_nulls(**said))]
        case ConfigureWidget():
            news = {
                name: value
                for name, value in command.changes.items()
                if state.settings.get(name) != value
            }
            if not news:
                return []
            said = {"property_id": command.property_id, **news}
            if command.configured_by is not None:
                said["configured_by"] = command.configured_by
            return [WidgetConfigured.model_validate(said)]
        case _:
            assert_never(command)


decider: Decider[Command, Widget] = Decider(
    (IssueKey, RevokeKey, ConfigureWidget), streams, Widget(), evolve, decide
)
