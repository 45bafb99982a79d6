"""Claims: values that are unique across streams, derived from the events alone."""

import hashlib
import hmac
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
PERSONAL_KINDS = (EMAIL, PHONE, EXTERNAL_ID)
"""The kinds with a keyed hash of a personal text."""
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

CLAIM_EVENTS: tuple[type[Event], ...] = (*CLAIMED_FIELDS, LeadErased, LeadMerged, LeadUnmerged)
"""The classes whose events make, end or transfer claims."""

KEY_FIELDS: Mapping[str, str] = {EMAIL: "email_key", PHONE: "phone_key"}
"""The kind of a claim → the field with its value, if that is not the claimed field itself."""


def claims_of(event: Event, contact_key: bytes) -> list[Claim]:
    """Return the claims of an event in its property, with values as `value_of` makes them."""
    return [
        Claim(kind, value_of(kind, value, contact_key), event.stream_id, firm=_is_firm(kind, event))
        for field, kind in CLAIMED_FIELDS.get(type(event), {}).items()
        if (value := getattr(event, KEY_FIELDS.get(kind, field)))
    ]


def _is_firm(kind: str, event: Event) -> bool:
    """Return False for phones, and for rows of a host, which may contain an address twice."""
    return kind != PHONE and not isinstance(event, LeadAdopted)


def releases_of(event: Event) -> list[tuple[str, UUID]]:
    """Return (kind, owner) of the claims that end with an event, unless it claims them again."""
    if isinstance(event, LeadErased):
        return [(kind, event.lead_id) for kind in PERSONAL_KINDS]
    if not isinstance(event, ChangeEvent):
        return []
    fields = CLAIMED_FIELDS.get(type(event), {})
    return [(kind, event.stream_id) for field, kind in fields.items() if field in event.changes]


def move_of(event: Event) -> ClaimMove | None:
    """Return the transfer of claims that an event causes, or None."""
    if isinstance(event, LeadMerged | LeadUnmerged):
        return ClaimMove(event.loser_id, event.winner_id, back=isinstance(event, LeadUnmerged))
    return None


def value_of(kind: str, value: str, contact_key: bytes) -> str:
    """Return the value of a claim. That of a lead is personal data, so its hash is keyed."""
    return contact_value(value, contact_key) if kind in PERSONAL_KINDS else slug_value(value)


def contact_value(value: str, contact_key: bytes) -> str:
    """Return the keyed hash of a personal text that is compared as it is, 64 hexadecimal digits.

    Contact details are compared by their keys, ids of other systems exactly. Without
    `contact_key`, which only the key store has, nobody can guess a text and compare it.
    """
    return keyed(slug_value(value), contact_key)


def keyed(unkeyed: str, contact_key: bytes) -> str:
    """Return the keyed hash for an unkeyed one, as it was stored before there was a key."""
    return hmac.digest(contact_key, b"claim " + unkeyed.encode(), hashlib.sha256).hex()


def slug_value(value: str) -> str:
    """Return the unkeyed hash of a text that is no personal data, 40 hexadecimal digits."""
    return hashlib.sha256(value.encode()).hexdigest()[:40]
