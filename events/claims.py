"""What must be unique across streams, derived from the events themselves."""

import hashlib
import re
from typing import NamedTuple
from uuid import UUID

from events.event import Event
from events.leads import (
    LeadAdopted,
    LeadCaptured,
    LeadErased,
    LeadImported,
    LeadMerged,
    LeadUnmerged,
    LeadUpdated,
)
from events.workflows import TemplateDefined


class Claim(NamedTuple):
    """Within `scope` (a property) one owner per value of a kind.

    `firm`: another owner is refused; otherwise the first keeps it and nobody is refused (a phone
    number is shared by a family). An owner holds one value of a kind: a new one replaces it, and
    with what it stood on (`releases_of`) it goes too.
    """

    kind: str
    value: str
    owner: UUID
    firm: bool = True


class Move(NamedTuple):
    """What `loser` is known by becomes `winner`'s; with `back` what came through it returns.

    What moved is still held by the owner it came from: only that owner's own events end it.
    """

    loser: UUID
    winner: UUID
    back: bool = False


EMAIL = "lead.email"
PHONE = "lead.phone"
EXTERNAL_ID = "lead.external_id"
SLUG = "template.slug"
MERGED = "lead.merged"
"""The id of a merged lead, which is its winner's as long as it is merged."""
OF_A_LEAD = (EMAIL, PHONE, EXTERNAL_ID, MERGED)
"""What a lead is known by."""

_CONTACTS = {"email": EMAIL, "phone": PHONE}
_JUNK_MAILBOXES = frozenset({"test", "none", "na", "noemail", "no-email", "noreply", "no-reply"})
_SAME_DIGITS = re.compile(r"(\d)\1{6}")


def claims_of(event: Event) -> list[Claim]:
    """The claims an event makes in its property. Values are hashed: no personal data in clear."""
    match event:
        case LeadCaptured() | LeadImported() | LeadUpdated():
            claims = []
            if event.email and identifies(EMAIL, event.email):
                claims.append(Claim(EMAIL, value_of(event.email), event.lead_id))
            if event.phone and identifies(PHONE, event.phone):
                claims.append(Claim(PHONE, value_of(event.phone), event.lead_id, firm=False))
            if isinstance(event, LeadImported) and event.external_id:
                claims.append(Claim(EXTERNAL_ID, value_of(event.external_id), event.lead_id))
            return claims
        case TemplateDefined():
            return [Claim(SLUG, value_of(event.slug), event.template_id)]
        case LeadAdopted():
            return _adopted(event)
        case _:
            return []


def _adopted(event: LeadAdopted) -> list[Claim]:
    """A host may have an address twice: the first has it. As `crm.claim_for_host` says it."""
    said = [(EMAIL, event.email), (PHONE, event.phone)]
    return [
        Claim(kind, value_of(text), event.lead_id, firm=False)
        for kind, text in said
        if text and text.strip() and text.isascii() and identifies(kind, text)
    ]


def releases_of(event: Event) -> list[tuple[str, UUID]]:
    """Kind and owner of the claims that end with an event, but for what it claims anew itself."""
    match event:
        case LeadUpdated():
            said = event.changes
            return [(kind, event.lead_id) for field, kind in _CONTACTS.items() if field in said]
        case LeadErased():
            return [(kind, event.lead_id) for kind in _CONTACTS.values()]
        case _:
            return []


def move_of(event: Event) -> Move | None:
    """Whose claims become whose with an event."""
    match event:
        case LeadMerged():
            return Move(event.loser_id, event.winner_id)
        case LeadUnmerged():
            return Move(event.loser_id, event.winner_id, back=True)
        case _:
            return None


def identifies(kind: str, text: str) -> bool:
    """Can this value tell a person from others? Junk never does, nor a phone that is no E.164."""
    if kind == EMAIL:
        mailbox = text.strip().casefold().partition("@")[0].partition("+")[0]
        return mailbox not in _JUNK_MAILBOXES
    if kind == PHONE:
        number = text.strip()
        return number.startswith("+") and not _SAME_DIGITS.search(number)
    return True


def value_of(text: str) -> str:
    """A claim's value: a fingerprint of the normalised text."""
    return hashlib.sha256(text.strip().casefold().encode()).hexdigest()[:40]
