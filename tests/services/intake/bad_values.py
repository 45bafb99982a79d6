"""Wrong records of many kinds, generated from a seed."""

import random
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import orjson

from services.runtime.cloud_events import Headers
from tests.services.intake.producer_records import binary_headers, engagement_data

Raw = tuple[bytes | None, list[tuple[str, bytes | None]]]
NAMES = (
    "engagement.recorded", "activity.recorded", "session.started", "conversation.started",
    "conversation.message_received", "lead.captured", "lead.imported", "tour.scheduled",
    "organization.recorded", "score.due", "lead.vanished", "", "x" * 400, "ünïcode", "a\x00b",
)  # fmt: skip
TEXTS = (
    b"", b"\x00", b"\xff\xfe", b"null", b"[]", b"{}", b"true", b"1", b'"text"', b"{", b"}" * 40,
    b"[" * 3_000, b'{"a":' * 500 + b"1" + b"}" * 500, b'{"a": 1e999}', b'{"a": NaN}',
    b'{"a": "\\ud800"}', b'{"a": "\xed\xa0\x80"}', b'{"\\u0000": "\\u0000"}',
    b'{"a": 123456789012345678901234567890123}',
    b"\xef\xbb\xbf{}", '{"é": "\U0001f600"}'.encode(), b"x" * 300_000,
)  # fmt: skip


def raw_records(seed: int, property_id: UUID, lead: UUID) -> Iterator[Raw]:
    """Yield records without end: broken, odd, almost correct and correct ones."""
    chance = random.Random(seed)
    makers: list[Callable[[random.Random, UUID, UUID], Raw]] = [
        _noise, _odd_headers, _wrong_data, _wrong_attributes, _structured, _almost_correct,
        _correct, _correct,
    ]  # fmt: skip
    while True:
        yield chance.choice(makers)(chance, property_id, lead)


def _noise(chance: random.Random, _home: UUID, _lead: UUID) -> Raw:
    value = chance.choice([None, chance.randbytes(chance.randrange(200)), *TEXTS])
    headers: list[tuple[str, bytes | None]] = [
        (chance.choice(["ce_id", "ce_type", "content-type", "", "x", "CE_SOURCE", "n\x00l", "é"]),
         chance.choice([None, b"", b"\xff\x00", b"text", chance.randbytes(20)]))
        for _ in range(chance.randrange(5))
    ]  # fmt: skip
    return value, headers


def _odd_headers(chance: random.Random, property_id: UUID, lead: UUID) -> Raw:
    headers: list[tuple[str, bytes | None]] = list(
        binary_headers("engagement.recorded", property_id)
    )
    index = chance.randrange(len(headers))
    name = headers[index][0]
    match chance.randrange(4):
        case 0:
            headers[index] = (name, None)
        case 1:
            headers[index] = (name, chance.choice([b"\xff\xfe", b"", b"\x00", b"z" * 5_000]))
        case 2:
            headers.append(headers[index])
        case _:
            del headers[index]
    return orjson.dumps(engagement_data(lead)), headers


def _wrong_data(chance: random.Random, property_id: UUID, _lead: UUID) -> Raw:
    return chance.choice([None, *TEXTS]), list(binary_headers(chance.choice(NAMES), property_id))


def _wrong_attributes(chance: random.Random, property_id: UUID, lead: UUID) -> Raw:
    field = chance.choice(
        ["specversion", "time", "schemaversion", "correlationid", "causationid", "actor", "id",
         "source", "type", "propertyid"],
    )  # fmt: skip
    value = chance.choice(
        ["", "\x00", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
         "9999-12-31T23:59:59-14:00",
         "2026-01-01", "yesterday", "-1", "99999", "1.0", "٣", str(uuid4()), "x" * 1_000,
         "{}", "2026-03-01T12:00:00Z", "1", "\U0001f600"],
    )  # fmt: skip
    standard: Headers = binary_headers("engagement.recorded", property_id)
    headers = [(n, v) for n, v in standard if n != f"ce_{field}"]
    return orjson.dumps(engagement_data(lead)), [*headers, (f"ce_{field}", value.encode())]


def _structured(chance: random.Random, property_id: UUID, lead: UUID) -> Raw:
    document: dict[str, object] = {
        "specversion": "1.0", "id": str(uuid4()), "source": "/fuzz", "propertyid": str(property_id),
        "type": "engagement.recorded", "data": engagement_data(lead),
    }  # fmt: skip
    for _ in range(chance.randrange(3)):
        key = chance.choice([*document, "data_base64", "time", "datacontenttype", "schemaversion"])
        document[key] = chance.choice(
            [None, 1, True, 1.5, [], {}, "", "text", "\x00", {"property_id": str(uuid4())}]
        )
    mode = chance.choice([b"+json", b"+json; charset=x", b"-batch+json", b"+avro"])
    kind = b"application/cloudevents" + mode
    return orjson.dumps(document), [("content-type", kind)] if chance.random() < 0.8 else []


def _almost_correct(chance: random.Random, property_id: UUID, lead: UUID) -> Raw:
    data: dict[str, object] = dict(engagement_data(lead))
    field = chance.choice([*data, "metadata", "score_weight", "extra", "property_id"])
    data[field] = chance.choice(
        [None, "", "tour_completed", 10**6, -5, 2**70 / 3, [1], {"deep": {"nul": "\x00"}},
         {"n" * 300: "v" * 300_000}, {str(n): n for n in range(300)}, str(uuid4()), "email_opened",
         {"far": [2**70 / 3, -1e300]}, {"long": [1e-300] * 3_700}],
    )  # fmt: skip
    return orjson.dumps(data), list(binary_headers("engagement.recorded", property_id))


def _correct(chance: random.Random, property_id: UUID, lead: UUID) -> Raw:
    number = chance.randrange(200)
    data = engagement_data(lead, engagement_id=str(UUID(int=number + 1)))
    headers = binary_headers("engagement.recorded", property_id, ce_id=f"correct-{number}")
    return orjson.dumps(data), list(headers)


def wrong_records_by_kind(property_id: UUID, lead: UUID) -> dict[str, tuple[str, Raw]]:
    """Return kind of wrong input → (reason of its rejection, a record of this kind)."""
    name = "engagement.recorded"

    def record(data: bytes | None = None, /, **attributes: str) -> Raw:
        headers = binary_headers(attributes.pop("type", name), property_id, **attributes)
        return data or orjson.dumps(engagement_data(lead)), list(headers)

    def record_with_header(header: str, value: bytes | None) -> Raw:
        data, headers = record()
        return data, [(n, value if n == header else v) for n, v in headers]

    unclosed = orjson.dumps(engagement_data(lead))[:-1]
    large = engagement_data(lead, metadata={"a": "v" * 400_000})
    digits = b",".join([b"1e300"] * 3_700)
    return {
        "malformed JSON": ("malformed", record(b'{"lead_id":')),
        "JSON that is no object": ("malformed", record(b"[1]")),
        "no JSON at all": ("malformed", (b"hello", [])),
        "an unknown type": ("unknown_type", record(type="lead.vanished")),
        "a future version": ("unknown_version", record(schemaversion="99")),
        "another specversion": ("malformed", record(specversion="0.3")),
        "an oversized event": ("limit_exceeded", record(orjson.dumps(large))),
        "numbers of many digits": (
            "limit_exceeded", record(unclosed + b',"metadata":{"a":[%s]}}' % digits)
        ),
        "an oversized body": ("malformed", record(b"x" * 600_000)),
        "a binary body": ("malformed", record(bytes(range(256)))),
        "U+0000": ("limit_exceeded", record(unclosed + b',"metadata":{"a":"\\u0000"}}')),
        "a lone surrogate": ("malformed", record(unclosed + b',"metadata":{"a":"\\ud800"}}')),
        "a surrogate in bytes": (
            "malformed", record(unclosed + b',"metadata":{"a":"\xed\xa0\x80"}}')
        ),
        "a null header": ("malformed", record_with_header("ce_type", None)),
        "a binary header": ("malformed", record_with_header("ce_type", b"\xff\xfe")),
        "a binary property": ("malformed", record_with_header("ce_propertyid", b"\x00\xff")),
        "an unknown property": (
            "unknown_subject", record_with_header("ce_propertyid", str(uuid4()).encode())
        ),
        "a tombstone": ("malformed", (None, record()[1])),
        "an event of the core only": ("not_for_producers", record(
            orjson.dumps({"lead_id": str(lead), "due_at": "2026-01-01T00:00:00Z"}), type="score.due"
        )),
    }  # fmt: skip
