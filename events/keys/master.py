"""Master keys: they wrap the keys of the key store, and are never stored in a database."""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
ID_BYTES = 8
"""An id of a master key is the start of its SHA-256 in hexadecimal: it reveals nothing of it."""


class WrappedKey(NamedTuple):
    """A key of the key store, encrypted with the master key that has this id."""

    wrapped: bytes
    master_key: str


class WrongMasterKey(Exception):
    """The key store has keys that none of the configured master keys can unwrap."""


class MasterKeys(Protocol):
    """The interface of a key management service: it wraps a key, and unwraps it again.

    `context` is bound to the wrapped key: with another context it cannot be unwrapped.
    """

    @property
    def current(self) -> str:
        """The id of the master key that wraps new keys."""
        ...

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all master keys that can unwrap."""
        ...

    def wrap(self, key: bytes, context: bytes) -> WrappedKey: ...

    def unwrap(self, stored: WrappedKey, context: bytes) -> bytes:
        """Return the key. Raises `WrongMasterKey`."""
        ...


@dataclass(frozen=True, slots=True)
class ConfiguredMasterKeys:
    """Master keys of a setting or a file. The first one wraps, all of them unwrap."""

    ciphers: dict[str, AESGCM] = field(repr=False)

    @property
    def current(self) -> str:
        return next(iter(self.ciphers))

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self.ciphers)

    def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        nonce, current = os.urandom(NONCE_BYTES), self.current
        encrypted = self.ciphers[current].encrypt(nonce, key, context)
        return WrappedKey(nonce + encrypted, current)

    def unwrap(self, stored: WrappedKey, context: bytes) -> bytes:
        cipher = self.ciphers.get(stored.master_key)
        if cipher is None:
            raise WrongMasterKey(describe_wrong_keys([stored.master_key], self.ids))
        try:
            nonce, encrypted = stored.wrapped[:NONCE_BYTES], stored.wrapped[NONCE_BYTES:]
            return cipher.decrypt(nonce, encrypted, context)
        except InvalidTag as error:
            raise WrongMasterKey(
                f"a key that master key {stored.master_key} wrapped was changed in the key store: "
                "restore the key store from a backup"
            ) from error


def describe_wrong_keys(stored: Sequence[str], configured: frozenset[str]) -> str:
    """Return the message for keys in the store that no configured master key can unwrap."""
    return (
        f"the key store was made with the master key {', '.join(stored)}, but CRM_MASTER_KEY has "
        f"{', '.join(sorted(configured))}: add the missing key after the first one, "
        "separated by a comma"
    )


def parse_master_keys(text: str) -> ConfiguredMasterKeys:
    """Return the master keys of a text: base64 of 32 bytes, separated by commas or lines.

    Raises `ValueError` without any part of the text.
    """
    ciphers: dict[str, AESGCM] = {}
    for part in text.replace(",", " ").split():
        try:
            key = base64.b64decode(part, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(
                f"each master key is the base64 text of {KEY_BYTES} random bytes, for example "
                "from `openssl rand -base64 32`; several are separated by commas"
            )
        ciphers[hashlib.sha256(key).digest()[:ID_BYTES].hex()] = AESGCM(key)
    if not ciphers:
        raise ValueError("there is no master key in it")
    return ConfiguredMasterKeys(ciphers)
