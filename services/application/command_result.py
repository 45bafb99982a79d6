"""The result of a transaction, and its JSON form under which a repetition gets it again."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from events.event import Event
from events.log.append import AppendResult
from events.log.token import Token
from events.personal import data_subject
from services.deciders.decider import Refused

T = TypeVar("T")
MAX_EVENT_IDS = 20


@dataclass(frozen=True, slots=True)
class CommandResult(Generic[T]):
    """The result of a transaction.

    `result` is what the work returned. `stored` is the JSON that is stored under the command id:
    a repetition (`repeated`) has it, and has it as `result` too, because its work did not run.
    `token` is None if nothing was read or written. `event_ids` are the first events of the
    transaction, at most `MAX_EVENT_IDS`; a repetition has those of the first execution.
    """

    result: T
    token: Token | None
    append_result: AppendResult
    events: tuple[tuple[UUID, Event], ...] = ()
    stored: Any = None
    repeated: bool = False
    event_ids: tuple[UUID, ...] = ()


def encode_outcome(outcome: CommandResult[Any] | Refused) -> dict[str, Any]:
    """Return a result or a refusal as JSON."""
    if isinstance(outcome, CommandResult):
        return {
            "result": outcome.stored,
            "token": str(outcome.token) if outcome.token else None,
            "events": [str(event_id) for event_id in outcome.event_ids],
        }
    return {
        "refused": {
            "code": outcome.code,
            "message": outcome.message,
            "status": outcome.status,
            "details": outcome.details,
        }
    }


def decode_outcome(stored: dict[str, Any]) -> CommandResult[Any]:
    """Return the stored result of the first execution. Raises `Refused` if it was a refusal."""
    if "refused" in stored:
        raise Refused(**stored["refused"])
    token = Token.parse(stored["token"]) if stored["token"] else None
    result = stored["result"]
    # A result that an older build has stored names no events.
    event_ids = tuple(UUID(text) for text in stored.get("events", ()))
    return CommandResult(
        result, token, AppendResult((), ()), stored=result, repeated=True, event_ids=event_ids
    )


def subjects_of(outcome: CommandResult[Any] | Refused) -> list[UUID]:
    """Return the data subject of a result: a lead, else the conversation or session.

    A refusal and a result without texts have none, so a repetition gets them after an erasure too.
    """
    if isinstance(outcome, Refused) or not isinstance(outcome.stored, str | list | dict):
        return []
    events = [event for _, event in outcome.events]
    leads = [event.lead for event in events if event.lead is not None]
    others = [subject for event in events if (subject := data_subject(event)) is not None]
    return [*leads, *others][:1]
