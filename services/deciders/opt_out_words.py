"""The words with which people stop and start SMS, and texts that seem to mean the same.

A word is valid from the day on which its rule began to hold, so a message is always judged by the
rules of its own day.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple


class Meaning(StrEnum):
    """The meaning of an SMS for the consent of its sender."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    REVOCATION = "revocation"
    """The sender seems to withdraw consent in words of its own: a person has to decide."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word that is a whole message, with its meaning and the first day on which it counts."""

    word: str
    meaning: Meaning
    valid_from: date
    source: str


class Reading(NamedTuple):
    """The meaning of a message, and the keyword that it consists of, if it is one."""

    meaning: Meaning
    keyword: str | None = None


_CARRIERS = "CTIA Messaging Principles and Best Practices (2017), 5.1.3"
_REVOCATION = "47 CFR 64.1200(a)(10), in force since 2025-04-11"
_FIRST = date(2017, 1, 1)
KEYWORDS = (
    *(Keyword(word, Meaning.STOP, _FIRST, _CARRIERS)
      for word in ("stop", "stopall", "unsubscribe", "cancel", "end", "quit")),
    *(Keyword(word, Meaning.STOP, date(2025, 4, 11), _REVOCATION)
      for word in ("revoke", "optout", "opt out")),
    Keyword("start", Meaning.START, _FIRST, _CARRIERS),
    Keyword("unstop", Meaning.START, _FIRST, _CARRIERS),
    Keyword("help", Meaning.HELP, _FIRST, _CARRIERS),
    Keyword("info", Meaning.HELP, _FIRST, _CARRIERS),
)  # fmt: skip
"""All keywords. The rule of 2025 also accepts any other words that reasonably say the same."""

_NOT_WORDS = re.compile(r"[^\w\s]+|_")
_APOSTROPHES = re.compile("['’‘`´]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_ACT = r"(?:text|message|messag|contact|call|spam|bother|writ|send|sms|email|mail)\w*"
_POLITE = r"(?: it| this| that| now| please| pls| plz| thanks| thank you| already| all)"
_REVOCATIONS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:stop|quit|cease|enough|end|no more|cancel)\b.{0,40}\b" + _ACT,
        r"\b(?:do not|dont|never|no longer|wont you|not want|not wish|not interested)\b.{0,40}\b"
        + _ACT,
        r"\b" + _ACT + r"\b.{0,20}\b(?:no more|any more|anymore|again)\b",
        r"\b(?:remove|delete|erase|drop|take)\b.{0,30}\b(?:me|my|this|number|list)\b",
        r"\b(?:unsubscribe|unsub|opt(?:ing|ed)? ?out|optout|revoke|withdraw|stopall)\b",
        r"\b(?:not interested|leave me alone|go away|lose my number|wrong (?:number|person))\b",
        r"^(?:please |pls |plz |just |ok |now )*(?:stop|quit|end|cancel)" + _POLITE + r"*$",
        r"\b(?:alto|parar|pare|cancelar|no me (?:mand|escrib|envi|llam)\w*|no mas)\b",
    )
)
"""Wordings of revocations. They need not be complete: every other SMS waits for a person too."""


def read_message(text: str, at: datetime) -> Reading:
    """Return what a message that came at `at` means for the consent of its sender."""
    words = _normalize(text)
    for keyword in KEYWORDS:
        if words == keyword.word and keyword.valid_from <= at.date():
            return Reading(keyword.meaning, keyword.word.upper())
    if any(pattern.search(words) for pattern in _REVOCATIONS):
        return Reading(Meaning.REVOCATION)
    return Reading(Meaning.OTHER)


def _normalize(text: str) -> str:
    """Return the words in lower case, without accents, apostrophes, punctuation and emoji."""
    decomposed = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text.casefold()))
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(_NOT_WORDS.sub(" ", _INVISIBLE.sub("", plain)).split())
