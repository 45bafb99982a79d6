"""Claims: values that are unique across streams, derived from the events alone."""

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from events.event import ChangeEvent, Event
from events.leads import LeadAdopted, LeadCaptured, LeadErased, LeadImported, LeadUpdated
from events.merges import LeadMerged, LeadUnmerged
from events.workflows import TemplateDefined


class Claim(NamedTuple):
    """A value of one kind that at most one entity owns in a scope (a property).

    If `firm`, the append is refused where another entity owns the value. Otherwise the first owner
    keeps it and nothing is refused, because a family can share a phone number. An entity owns one
    value of each kind: a new value replaces the old one, and `releases_of` ends it.
    """

    kind: str
    value: str
    owner: UUID
    firm: bool = True


class ClaimMove(NamedTuple):
    """The transfer of the loser's claims to the winner of a merge; with `back` its reversal.

    The entity that made a claim remains its origin: only events of that entity end the claim.
    """

    loser: UUID
    winner: UUID
    back: bool = False


EMAIL = "lead.email"
PHONE = "lead.phone"
EXTERNAL_ID = "lead.external_id"
SLUG = "template.slug"
MERGED = "lead.merged"
"""The id of a merged lead, which its winner owns while the merge lasts."""
LEAD_CLAIM_KINDS = (EMAIL, PHONE, EXTERNAL_ID, MERGED)
"""The kinds that a merge transfers."""

_CONTACTS = {"email": EMAIL, "phone": PHONE}
CLAIMED_FIELDS: Mapping[type[Event], Mapping[str, str]] = {
    LeadCaptured: _CONTACTS,
    LeadImported: {**_CONTACTS, "external_id": EXTERNAL_ID},
    LeadAdopted: _CONTACTS,
    LeadUpdated: _CONTACTS,
    TemplateDefined: {"slug": SLUG},
}
"""Event class → field → the kind of claim that the field makes."""

_JUNK_MAILBOXES = frozenset({"test", "none", "na", "noemail", "no-email", "noreply", "no-reply"})
_SAME_DIGITS = re.compile(r"(\d)\1{6}")


def claims_of(event: Event) -> list[Claim]:
    """Return the claims of an event in its property. Values are hashed: no personal data."""
    return [
        Claim(kind, claim_value(text), event.stream_id, firm=_is_firm(kind, event))
        for field, kind in CLAIMED_FIELDS.get(type(event), {}).items()
        if (text := getattr(event, field)) and _is_claimed(kind, text, event)
    ]


def _is_firm(kind: str, event: Event) -> bool:
    """Return False for phones, and for rows of a host, which may contain an address twice."""
    return kind != PHONE and not isinstance(event, LeadAdopted)


def _is_claimed(kind: str, text: str, event: Event) -> bool:
    """Return whether the value is claimed: of adopted leads as in `crm.claim_for_host`."""
    if isinstance(event, LeadAdopted) and not (text.strip() and text.isascii()):
        return False
    return is_identifying(kind, text)


def releases_of(event: Event) -> list[tuple[str, UUID]]:
    """Return (kind, owner) of the claims that end with an event, unless it claims them again."""
    if isinstance(event, LeadErased):
        return [(kind, event.lead_id) for kind in _CONTACTS.values()]
    if not isinstance(event, ChangeEvent):
        return []
    fields = CLAIMED_FIELDS.get(type(event), {})
    return [(kind, event.stream_id) for field, kind in fields.items() if field in event.changes]


def move_of(event: Event) -> ClaimMove | None:
    """Return the transfer of claims that an event causes, or None."""
    if isinstance(event, LeadMerged | LeadUnmerged):
        return ClaimMove(event.loser_id, event.winner_id, back=isinstance(event, LeadUnmerged))
    return None


def is_identifying(kind: str, text: str) -> bool:
    """Return whether a value can identify a person: no junk, and phones only in E.164."""
    if kind == EMAIL:
        mailbox = text.strip().casefold().partition("@")[0].partition("+")[0]
        return mailbox not in _JUNK_MAILBOXES
    if kind == PHONE:
        number = text.strip()
        return number.startswith("+") and not _SAME_DIGITS.search(number)
    return True


def claim_value(text: str) -> str:
    """Return the value of a claim: a fingerprint of the normalised text."""
    return hashlib.sha256(text.strip().casefold().encode()).hexdigest()[:40]
