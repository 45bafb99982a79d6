"""The decider of an organisation's API keys. Each key is a stream."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from events.api_keys import ApiKeyIssued, ApiKeyRevoked, ApiScope
from events.event import Event
from events.record import Stream
from services.deciders.decider import Decider, Refused


@dataclass(frozen=True, slots=True)
class IssueApiKey:
    """Issue a key. Without properties it opens all of the organisation."""

    api_key_id: UUID
    key_hash: str
    label: str
    scopes: tuple[ApiScope, ...]
    reason: str
    at: datetime
    property_ids: tuple[UUID, ...] = ()
    expires_at: datetime | None = None
    issued_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class RevokeApiKey:
    """Revoke a key at once."""

    api_key_id: UUID
    reason: str
    revoked_by: UUID | None = None


Command: TypeAlias = IssueApiKey | RevokeApiKey


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The state of an API key: as it was issued, and whether it was revoked."""

    issued: ApiKeyIssued | None = None
    is_revoked: bool = False


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("api_key", command.api_key_id)]


def evolve(state: ApiKey, event: Event) -> ApiKey:
    match event:
        case ApiKeyIssued():
            return replace(state, issued=state.issued or event)
        case ApiKeyRevoked():
            return replace(state, is_revoked=True)
        case _:
            return state


def decide(command: Command, state: ApiKey) -> list[Event]:
    match command:
        case IssueApiKey():
            return [] if state.issued else [_issue(command)]
        case RevokeApiKey():
            if state.issued is None:
                raise Refused("not_found", "API key not found: check its id", 404)
            if state.is_revoked:
                return []
            return [ApiKeyRevoked(
                api_key_id=command.api_key_id, reason=command.reason,
                revoked_by=command.revoked_by,
            )]  # fmt: skip
        case _:
            assert_never(command)


def _issue(command: IssueApiKey) -> ApiKeyIssued:
    if command.expires_at is not None and command.expires_at <= command.at:
        raise Refused(
            "expiry_in_past",
            f"the key would expire at {command.expires_at.isoformat()}, which has passed: "
            "give a later instant",
            400,
        )
    return ApiKeyIssued(
        api_key_id=command.api_key_id, key_hash=command.key_hash, label=command.label,
        scopes=tuple(dict.fromkeys(scope.value for scope in command.scopes)),
        property_ids=tuple(dict.fromkeys(command.property_ids)), expires_at=command.expires_at,
        reason=command.reason, issued_by=command.issued_by,
    )  # fmt: skip


decider: Decider[Command, ApiKey] = Decider(
    "api_key", (IssueApiKey, RevokeApiKey), streams, ApiKey(), evolve, decide
)
