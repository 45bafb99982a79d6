"""Data keys: each encrypts the personal values of one data subject."""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.keys.master import NONCE_BYTES


class TamperedValue(ValueError):
    """An encrypted value that was changed, or moved to another event."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one data subject, ready to use. Its text form hides the bytes."""

    id: UUID
    subject_id: UUID
    digest_key: bytes = field(repr=False)
    """The key of fingerprints of this data subject's content."""
    _cipher: AESGCM = field(repr=False)

    @classmethod
    def of(cls, key_id: UUID, subject_id: UUID, key: bytes) -> Self:
        """Create one from the bytes of the key store."""
        digest_key = hmac.digest(key, b"content digest", hashlib.sha256)
        return cls(key_id, subject_id, digest_key, AESGCM(key))

    def seal(self, value: bytes, context: bytes) -> bytes:
        """Return nonce and ciphertext of a value, bound to `context`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, self.id.bytes + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return the value. Raises `TamperedValue`."""
        nonce, encrypted = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, encrypted, self.id.bytes + context)
        except (InvalidTag, ValueError):
            raise TamperedValue(
                "the encrypted value was changed, or belongs to another place"
            ) from None


def to_text(sealed: bytes) -> str:
    """Return a sealed value as it is stored in JSON."""
    return base64.b64encode(sealed).decode()


def from_text(text: str) -> bytes:
    """Return the bytes of a sealed value in JSON. Raises `TamperedValue`."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise TamperedValue("the encrypted value is not base64") from None
