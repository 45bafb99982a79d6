"""The keyed digest of a record: an HMAC that proves that the relay of this log wrote the record.

It covers the topic, the log id, the Kafka key and the bytes of the value, so none of them can be
changed or exchanged. The header names the key, so a rotation refuses nothing in its overlap. The
reasons are in `docs/decisions/0021-a-keyed-digest-proves-who-wrote-a-record.md`.
"""

import hmac
from collections.abc import Sequence
from enum import StrEnum
from typing import Self
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from events.bus.wire import KafkaRecord
from events.log.connection import Connection
from events.log.secret_keys import SecretKey, load_secret_keys

DIGEST_HEADER = "crm-digest"
"""The name of the header. Its value is `<key id>:<HMAC-SHA-256 in hexadecimal digits>`."""
MAX_STARTS = 10_000
"""Kafka keys of which the start of the HMAC is remembered; anybody can invent keys."""


class DigestProblem(StrEnum):
    """The reason why the digest of a record proves nothing."""

    MISSING = "no_digest"
    UNKNOWN_KEY = "unknown_key"
    WRONG = "wrong_digest"


class RecordDigest:
    """The keyed digest of the records of one topic and one log, with the keys that are valid."""

    def __init__(self, topic: str, log_id: UUID, keys: Sequence[SecretKey]) -> None:
        """Take the keys newest first, as `load_secret_keys` returns them: the first one signs."""
        context = f"crm record 1\n{topic}\n{log_id}\n".encode()
        self.topic, self.log_id = topic, log_id
        self._signing_id = str(keys[0].id).encode()
        self._states = {str(key.id).encode(): _begin(key, context) for key in keys}
        self._starts: dict[tuple[bytes, bytes], HMAC] = {}
        """Id of a secret key and Kafka key → the HMAC that has read the context and that key."""

    @classmethod
    async def load(cls, conn: Connection, topic: str, log_id: UUID) -> Self:
        """Return the digest with the keys of the database."""
        return cls(topic, log_id, await load_secret_keys(conn, "record_digest"))

    async def renew(self, conn: Connection) -> Self:
        """Return the digest with the keys as they are now: after a rotation the new one signs."""
        return await self.load(conn, self.topic, self.log_id)

    def sign(self, record: KafkaRecord) -> KafkaRecord:
        """Return the record with a digest by the newest key as a further header."""
        key, value, headers = record
        digest = self._signing_id + b":" + self._compute(self._signing_id, key, value)
        return KafkaRecord(key, value, [*headers, (DIGEST_HEADER, digest)])

    def find_problem(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> DigestProblem | None:
        """Return why the digest of a received record is not valid; None if it is valid."""
        content: bytes | None = None
        for name, text in headers:
            if name == DIGEST_HEADER:
                content = text
                break
        if content is None:
            return DigestProblem.MISSING
        key_id, _, digest = content.partition(b":")
        if key_id not in self._states:
            return DigestProblem.UNKNOWN_KEY
        expected = self._compute(key_id, key or b"", value or b"")
        return None if hmac.compare_digest(expected, digest) else DigestProblem.WRONG

    def _compute(self, key_id: bytes, key: bytes, value: bytes) -> bytes:
        start = self._starts.get((key_id, key))
        state = self._start(key_id, key) if start is None else start.copy()
        state.update(value)
        return state.finalize().hex().encode()

    def _start(self, key_id: bytes, key: bytes) -> HMAC:
        """Return a copy of the HMAC that has read a Kafka key, and remember it."""
        start = self._states[key_id].copy()
        # The length of the key keeps bytes from moving between key and value.
        start.update(b"%d\n%b" % (len(key), key))
        if len(self._starts) >= MAX_STARTS:
            self._starts.clear()
        self._starts[key_id, key] = start
        return start.copy()


def _begin(key: SecretKey, context: bytes) -> HMAC:
    """Return an HMAC that has read the context. Its copies are faster than those of `hmac`."""
    state = HMAC(key.key, SHA256())
    state.update(context)
    return state
