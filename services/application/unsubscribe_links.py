"""The links with which a person unsubscribes: bound to a lead and a channel, and encrypted.

A link contains no personal data, and nobody can make one without the core's key. It does not
expire: an old e-mail must still be able to end the e-mails.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from cryptography.fernet import InvalidToken

from events.consents import ConsentChannel
from events.log.secret_keys import SecretKey
from services.runtime.secret_cipher import make_cipher

PATH = "/unsubscribe/"
MAX_LENGTH = 300
_CODES = {ConsentChannel.EMAIL: b"e", ConsentChannel.SMS: b"s"}
_CHANNELS = {code: channel for channel, code in _CODES.items()}


class UnsubscribeLink(NamedTuple):
    """The lead to which a message was sent, and the channel of the message."""

    lead_id: UUID
    channel: ConsentChannel


def make_unsubscribe_path(keys: Sequence[SecretKey], lead_id: UUID, channel: ConsentChannel) -> str:
    """Return the path of the link of a message."""
    content = _CODES[channel] + lead_id.bytes
    return PATH + make_cipher(keys).encrypt_at_time(content, 0).decode().rstrip("=")


def read_unsubscribe_token(keys: Sequence[SecretKey], token: str) -> UnsubscribeLink | None:
    """Return what a link is bound to; None if the core did not make it."""
    if len(token) > MAX_LENGTH:
        return None
    padded = token + "=" * (-len(token) % 4)
    try:
        content = make_cipher(keys).decrypt(padded.encode("ascii", "replace"))
    except InvalidToken:
        return None
    return UnsubscribeLink(UUID(bytes=content[1:]), _CHANNELS[content[:1]])
