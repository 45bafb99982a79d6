"""Signatures of intake records, for a broker that several organisations share.

The header `crm-signature` is `KEY ID:HEX`, HEX being HMAC-SHA256, with the key's secret, over the
netstrings (`LENGTH:BYTES,`) of name and value of every `ce_` header and `content-type`, names in
lower case, sorted by name, and then the netstring of the record's value.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from uuid import UUID

from services.application.raw_record import RawRecord
from services.application.rejection import RejectedRecord, RejectionReason
from services.intake.settings import ProducerKey

HEADER = "crm-signature"


def sign(
    key_id: str, secret: bytes, headers: Iterable[tuple[str, bytes | None]], value: bytes
) -> tuple[str, bytes]:
    """Return the header that signs a record."""
    return HEADER, f"{key_id}:{_mac(secret, headers, value)}".encode()


def check(record: RawRecord, org_id: UUID, keys: Mapping[str, ProducerKey]) -> None:
    """Raise `RejectedRecord` if the record has no valid signature of the organisation.

    The error is the same for every cause, so that a producer cannot find out which keys exist.
    """
    values = [value for name, value in record.headers if name.lower() == HEADER]
    key_id, _, mac = (values[0] if len(values) == 1 and values[0] else b"").partition(b":")
    key = keys.get(key_id.decode("utf-8", "replace"))
    if key is not None and key.org == org_id:
        expected = _mac(key.secret.get_secret_value().encode(), record.headers, record.value or b"")
        if hmac.compare_digest(expected.encode(), mac):
            return
    raise RejectedRecord(
        RejectionReason.UNSIGNED,
        f"the header {HEADER} is missing or wrong: sign with a key of the property's organisation",
    )


def _mac(secret: bytes, headers: Iterable[tuple[str, bytes | None]], value: bytes) -> str:
    signed = sorted(
        (name.lower().encode(), content or b"")
        for name, content in headers
        if name.lower().startswith("ce_") or name.lower() == "content-type"
    )
    mac = hmac.new(secret, digestmod=hashlib.sha256)
    for part in (part for pair in signed for part in pair):
        mac.update(b"%d:%b," % (len(part), part))
    mac.update(b"%d:%b," % (len(value), value))
    return mac.hexdigest()
