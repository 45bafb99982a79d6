"""The keyed digest: the HMAC is continued behind each Kafka key, for a bounded number of keys."""

from uuid import UUID

import pytest

from events.bus import digest
from events.bus.digest import DigestProblem, RecordDigest
from events.bus.wire import KafkaRecord
from events.log.secret_keys import KEY_BYTES, SecretKey

KEYS = [b"%d" % number for number in range(5)]


def new_digest() -> RecordDigest:
    return RecordDigest("events", UUID(int=6), [SecretKey(UUID(int=1), bytes(KEY_BYTES))])


def test_digests_do_not_depend_on_the_keys_before() -> None:
    shared = new_digest()
    for key in (*KEYS, *reversed(KEYS)):
        for value in (b"first", b"second"):
            signed = shared.sign(KafkaRecord(key, value, []))
            assert signed == new_digest().sign(KafkaRecord(key, value, []))
            assert shared.find_problem(*signed) is None


def test_bytes_cannot_move_between_key_and_value() -> None:
    shared = new_digest()
    _, _, headers = shared.sign(KafkaRecord(b"key", b"value", []))
    assert shared.find_problem(b"keyv", b"alue", headers) is DigestProblem.WRONG
    assert shared.find_problem(b"ke", b"yvalue", headers) is DigestProblem.WRONG


def test_invented_keys_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "MAX_STARTS", 2)
    shared = new_digest()
    for key in KEYS:
        _, _, headers = shared.sign(KafkaRecord(key, b"value", []))
        assert shared.find_problem(key, b"value", headers) is None
        assert len(vars(shared)["_starts"]) <= 2
