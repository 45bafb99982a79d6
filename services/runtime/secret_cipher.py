"""Encryption with the secret keys of the core."""

import base64
from collections.abc import Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet

from events.log.secret_keys import SecretKey


def make_cipher(keys: Sequence[SecretKey]) -> MultiFernet:
    """Return a cipher that encrypts with the first of the keys and decrypts with any of them."""
    return _make_cipher(tuple([key.key for key in keys]))


@lru_cache(maxsize=32)
def _make_cipher(keys: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
