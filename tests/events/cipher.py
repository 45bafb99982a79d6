"""A cipher for tests: a value can be decrypted for its data subject only."""

import base64
from typing import Any
from uuid import UUID

import orjson


class ReversingCipher:
    """Encrypts a value as its reversed JSON in hexadecimal, with the data subject before it."""

    def encrypt(self, subject: UUID, value: Any) -> Any:
        return f"{subject}:{base64.b16encode(orjson.dumps(value)[::-1]).decode()}"

    def decrypt(self, subject: UUID, value: Any) -> Any:
        encrypted_for, _, reversed_json = value.partition(":")
        assert UUID(encrypted_for) == subject
        return orjson.loads(base64.b16decode(reversed_json)[::-1])
