"""Records of an attacker who can write to `crm.events`, and knows everything but the key."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import orjson

from events.bus import wire
from events.bus.digest import DIGEST_HEADER, RecordDigest
from events.bus.wire import KafkaRecord
from events.log import read, sequencer
from events.log.secret_keys import KEY_BYTES, SecretKey
from events.log.sequencer import LogState
from events.log.shard import shard_of

FORGED_KEY_HASH = hashlib.sha256(b"lk_of_the_attacker").hexdigest()


class Received(NamedTuple):
    """A record as the verifying reader gets it from a Kafka client."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass
class Attacker:
    """An attacker with genuine records of the topic, the log id and ids of keys, but no key."""

    topic: str
    state: LogState
    digest: RecordDigest
    rows: list[Any]
    genuine: list[KafkaRecord] = field(default_factory=list)

    def forge(self, digest: RecordDigest | None = None, **changes: Any) -> KafkaRecord:
        """Return the record of the last row with other columns, unsigned or signed by `digest`."""
        row = {**dict(self.rows[-1]), **changes}
        record = wire.record_of(row, self.state.id, self.state.generation)
        return record if digest is None else digest.sign(record)

    def forge_next(self, property_id: UUID, **changes: Any) -> KafkaRecord:
        """Return an unsigned record that would be the next one of the property's shard."""
        shard = shard_of(property_id)
        head = max((row["position"] for row in self.rows if row["shard"] == shard), default=0)
        following = {"position": self.state.position + 1, "previous": head}
        stream = {"id": uuid4(), "shard": shard, "property_id": property_id}
        return self.forge(**{**stream, **following, **changes})

    def forge_widget_key(self, property_id: UUID) -> KafkaRecord:
        """Return a record that would give the attacker a widget key of the property."""
        payload = {
            "property_id": str(property_id),
            "key_id": str(uuid4()),
            "key_hash": FORGED_KEY_HASH,
        }
        return self.forge_next(
            property_id,
            event_type="widget.key_issued", schema_version=1, entity_type="widget",
            entity_id=property_id, lead_id=None, payload=orjson.dumps(payload).decode(),
        )  # fmt: skip

    @property
    def own_digest(self) -> RecordDigest:
        """Return a digest by a key of the attacker, under the id of the true key."""
        key_id = UUID(self.genuine[-1].headers[-1][1][:36].decode())
        return RecordDigest(self.topic, self.state.id, [SecretKey(key_id, bytes(KEY_BYTES))])


async def make_attacker(pool: asyncpg.Pool, topic: str) -> Attacker:
    """Return an attacker who has read all records of the topic."""
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        rows = await read.position_rows(conn, after=0, upto=state.position)
        digest = await RecordDigest.load(conn, topic, state.id)
    genuine = [digest.sign(wire.record_of(row, state.id, state.generation)) for row in rows]
    return Attacker(topic, state, digest, rows, genuine)


Forgery = Callable[[Attacker], KafkaRecord]


def _replace_digest(attacker: Attacker, text: bytes) -> KafkaRecord:
    record = attacker.genuine[-1]
    return record._replace(headers=[(DIGEST_HEADER, text)])


def _edit(attacker: Attacker, **changes: Any) -> KafkaRecord:
    """Return a genuine record with other attributes under the digest of the true ones."""
    record = attacker.genuine[-1]
    return record._replace(value=orjson.dumps(orjson.loads(record.value) | changes))


WITHOUT_KEY: dict[str, tuple[str, Forgery]] = {
    "an unsigned row": ("no_digest", lambda a: a.forge(payload='{"note": "forged"}')),
    "a row signed with a key of the attacker": ("wrong_digest", lambda a: a.forge(a.own_digest)),
    "the digest of another record": (
        "wrong_digest", lambda a: a.genuine[0]._replace(headers=a.genuine[-1].headers),
    ),
    "an unknown key id": (
        "unknown_key", lambda a: _replace_digest(a, b"%b:%b" % (str(uuid4()).encode(), b"0" * 64)),
    ),
    "an empty digest": ("unknown_key", lambda a: _replace_digest(a, b"")),
    "a digest that is no text": ("unknown_key", lambda a: _replace_digest(a, b"\xff\x00")),
    "only the id of a key": (
        "wrong_digest", lambda a: _replace_digest(a, a.genuine[-1].headers[-1][1][:37]),
    ),
    "another value": ("wrong_digest", lambda a: _edit(a, data={"note": "forged"})),
    "another organisation": ("wrong_digest", lambda a: _edit(a, orgid=str(uuid4()))),
    "another shard": ("wrong_digest", lambda a: _edit(a, shard=0)),
    "another previous position": ("wrong_digest", lambda a: _edit(a, previous="0")),
    "the highest position": ("wrong_digest", lambda a: _edit(a, position=str(2**63 - 1))),
    "another Kafka key": (
        "wrong_digest", lambda a: a.genuine[-1]._replace(key=str(uuid4()).encode()),
    ),
    "bytes moved from the key to the value": (
        "wrong_digest",
        lambda a: a.genuine[-1]._replace(
            key=a.genuine[-1].key[:-1], value=a.genuine[-1].key[-1:] + a.genuine[-1].value
        ),
    ),
}  # fmt: skip
"""Forgeries without the key: name → (reason of the refusal, record)."""

WITH_KEY: dict[str, tuple[str, Forgery]] = {
    "no event": ("foreign", lambda a: a.digest.sign(KafkaRecord(b"", b"{}", []))),
    "another log": (
        "foreign", lambda a: a.digest.sign(wire.record_of(a.rows[-1], uuid4(), 1)),
    ),
    "a Kafka key that is not the property": (
        "wrong_key", lambda a: a.digest.sign(a.genuine[-1]._replace(key=b"x", headers=[])),
    ),
    "another property": (
        "wrong_shard", lambda a: a.forge(a.digest, property_id=_property_elsewhere(a)),
    ),
    "another shard": (
        "wrong_shard", lambda a: a.forge(a.digest, shard=(a.rows[-1]["shard"] + 1) % 64),
    ),
    "another organisation": ("wrong_organisation", lambda a: a.forge(a.digest, org_id=uuid4())),
    "an unknown property": (
        "wrong_organisation", lambda a: a.forge(a.digest, **_unknown_property()),
    ),
}  # fmt: skip
"""Records whose parts do not belong together, signed by a relay with a fault."""


def _property_elsewhere(attacker: Attacker) -> UUID:
    """Return the id of a property in another shard than that of the last row."""
    return next(id_ for id_ in iter(uuid4, None) if shard_of(id_) != attacker.rows[-1]["shard"])


def _unknown_property() -> dict[str, Any]:
    property_id = uuid4()
    return {"property_id": property_id, "shard": shard_of(property_id)}
