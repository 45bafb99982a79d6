"""What a transaction came to, and the same as JSON: kept, so that a repeat is answered from it."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from events.event import Event
from events.log.append import Appended
from events.log.token import Token
from services.deciders.decider import Refused

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Handled(Generic[T]):
    """What a transaction came to. `result` is JSON where the command had an id, as it may be
    the kept answer of the first time (`repeated`); `token` is null where nothing was there."""

    result: T
    token: Token | None
    appended: Appended
    events: tuple[tuple[UUID, Event], ...] = ()
    repeated: bool = False


def kept(outcome: Handled[Any] | Refused) -> dict[str, Any]:
    """An outcome as JSON."""
    if isinstance(outcome, Handled):
        return {
            "result": outcome.result,
            "token": str(outcome.token) if outcome.token else None,
        }
    return {
        "refused": {
            "code": outcome.code,
            "message": outcome.message,
            "status": outcome.status,
            "details": outcome.details,
        }
    }


def as_before(known: dict[str, Any]) -> Handled[Any]:
    """The outcome that was kept. Raises `Refused` where it was a refusal."""
    if "refused" in known:
        raise Refused(**known["refused"])
    token = Token.parse(known["token"]) if known["token"] else None
    return Handled(known["result"], token, Appended((), ()), repeated=True)
