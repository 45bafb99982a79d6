"""The decider of a property's widget: its keys and its settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal, TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.record import Stream
from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from services.deciders.decider import Decider, Refused


@dataclass(frozen=True, slots=True)
class IssueKey:
    """Issue a new key; the key before it stays valid until `previous_valid_until`, if given."""

    property_id: UUID
    key_id: UUID
    key_hash: str
    previous_valid_until: datetime | None = None
    issued_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Revoke a key at once."""

    property_id: UUID
    key_id: UUID
    reason: str | None = None
    revoked_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ConfigureWidget:
    """Change settings; an absent setting keeps its value, null empties it."""

    property_id: UUID
    changes: Mapping[str, Any]
    configured_by: UUID | None = None


ClosedDayKind = Literal["blackout", "holiday"]
SETTING_OF_KIND: Mapping[ClosedDayKind, str] = {
    "blackout": "tour_blackout_dates",
    "holiday": "holidays",
}
MAX_CLOSED_DAYS = 400


@dataclass(frozen=True, slots=True)
class ChangeClosedDays:
    """Add and remove days without tours; the other days stay as they are at the decision."""

    property_id: UUID
    kind: ClosedDayKind
    added: frozenset[date]
    removed: frozenset[date]
    changed_by: UUID | None = None


Command: TypeAlias = IssueKey | RevokeKey | ConfigureWidget | ChangeClosedDays


@dataclass(frozen=True, slots=True)
class Widget:
    """The state of a widget.

    `settings` has every setting that was ever set. `keys` are the ids of the keys that were not
    revoked. `ending` is a key that is valid only until an instant.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[UUID, ...] = ()
    ending: tuple[UUID, datetime] | None = None

    def limit_previous(self, requested: datetime | None) -> datetime | None:
        """Return the end of the newest key: as requested, but not after an end it already has."""
        if requested is None or not self.keys:
            return None
        if self.ending is not None and self.ending[0] == self.keys[-1]:
            return min(requested, self.ending[1])
        return requested


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("widget", command.property_id)]


def evolve(state: Widget, event: Event) -> Widget:
    match event:
        case WidgetConfigured():
            return replace(state, settings={**state.settings, **event.changes})
        case WidgetKeyIssued():
            until = event.previous_valid_until
            if until is None or not state.keys:
                return replace(state, keys=(event.key_id,), ending=None)
            previous = state.keys[-1]
            return replace(state, keys=(previous, event.key_id), ending=(previous, until))
        case WidgetKeyRevoked():
            return replace(state, keys=tuple(key for key in state.keys if key != event.key_id))
        case _:
            return state


def decide(command: Command, state: Widget) -> list[Event]:
    match command:
        case IssueKey():
            if command.key_id in state.keys:
                return []
            return [WidgetKeyIssued(
                property_id=command.property_id, key_id=command.key_id, key_hash=command.key_hash,
                issued_by=command.issued_by,
                previous_valid_until=state.limit_previous(command.previous_valid_until),
            )]  # fmt: skip
        case RevokeKey():
            if command.key_id not in state.keys:
                raise Refused(
                    "unknown_key", f"{command.key_id} is not a valid key of this property", 404
                )
            return [WidgetKeyRevoked(
                property_id=command.property_id, key_id=command.key_id, reason=command.reason,
                revoked_by=command.revoked_by,
            )]  # fmt: skip
        case ConfigureWidget():
            return _configure(command, state)
        case ChangeClosedDays():
            name = SETTING_OF_KIND[command.kind]
            before = state.settings.get(name) or ()
            days = tuple(sorted({*before, *command.added} - command.removed))
            if len(days) > MAX_CLOSED_DAYS:
                raise Refused(
                    "too_many_days",
                    f"there would be {len(days)} {command.kind} days, and at most "
                    f"{MAX_CLOSED_DAYS} are kept: remove days that are over",
                )
            if days == before:
                return []
            change = ConfigureWidget(command.property_id, {name: days}, command.changed_by)
            return _configure(change, state)
        case _:
            assert_never(command)


def _configure(command: ConfigureWidget, state: Widget) -> list[Event]:
    changes = {
        name: value for name, value in command.changes.items() if state.settings.get(name) != value
    }
    if not changes:
        return []
    return [WidgetConfigured(
        property_id=command.property_id, configured_by=command.configured_by, **changes
    )]  # fmt: skip


decider: Decider[Command, Widget] = Decider(
    "widget",
    (IssueKey, RevokeKey, ConfigureWidget, ChangeClosedDays),
    streams,
    Widget(),
    evolve,
    decide,
)
