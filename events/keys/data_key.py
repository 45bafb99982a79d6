"""Data keys: each encrypts the personal values of one data subject."""

import base64
import hmac
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.keys.master import NONCE_BYTES


class TamperedValue(ValueError):
    """An encrypted value that was changed, or moved to another event."""


class DataKey:
    """The key of one data subject, ready to use. Its text form hides the bytes.

    A rebuild makes one for each data subject, so only what every use needs is made at once.
    """

    __slots__ = ("_cipher", "_digest_key", "_id_bytes", "_id_text", "_key", "id", "subject_id")

    def __init__(self, key_id: UUID, subject_id: UUID, key: bytes) -> None:
        self.id, self.subject_id = key_id, subject_id
        self._key, self._id_bytes, self._cipher = key, key_id.bytes, AESGCM(key)
        self._id_text = self._digest_key = b""

    def __repr__(self) -> str:
        return f"DataKey(id={self.id!r}, subject_id={self.subject_id!r})"

    # Not with `cached_property`, which in Python 3.11 takes a lock.
    @property
    def id_text(self) -> bytes:
        """The id as it is stored in a payload."""
        if not self._id_text:
            self._id_text = str(self.id).encode()
        return self._id_text

    @property
    def digest_key(self) -> bytes:
        """The key of fingerprints of this data subject's content."""
        if not self._digest_key:
            self._digest_key = hmac.digest(self._key, b"content digest", "sha256")
        return self._digest_key

    def seal(self, value: bytes, context: bytes, nonce: bytes = b"") -> bytes:
        """Return nonce and ciphertext of a value, bound to `context`.

        `nonce` are random bytes that are used only once; without them, new ones are made.
        """
        nonce = nonce or os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, self._id_bytes + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return the value. Raises `TamperedValue`."""
        nonce, encrypted = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, encrypted, self._id_bytes + context)
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
