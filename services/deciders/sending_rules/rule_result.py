"""The answer of one rule, and the answer of all rules together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Ruling(StrEnum):
    """The three answers of a rule."""

    ALLOW = "allow"
    HOLD = "hold"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The answer of a rule for one message at one instant.

    `code` is the key of the rule, and of the reason if it does not allow the message. `values` are
    what it compared, as JSON without personal data. A held message is asked again at `until`, the
    next lawful instant of this rule.
    """

    code: str
    ruling: Ruling = Ruling.ALLOW
    values: Mapping[str, Any] = field(default_factory=dict)
    until: datetime | None = None
    detail: str | None = None


def allow(code: str, **values: Any) -> RuleResult:
    """Return that the rule allows the message."""
    return RuleResult(code, Ruling.ALLOW, values)


def hold(code: str, until: datetime, **values: Any) -> RuleResult:
    """Return that the message has to wait until an instant."""
    return RuleResult(code, Ruling.HOLD, values, until)


def skip(code: str, detail: str, **values: Any) -> RuleResult:
    """Return that the message must not be sent any more."""
    return RuleResult(code, Ruling.SKIP, values, detail=detail)
