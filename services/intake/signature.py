"""Signatures of records, for a broker that several organisations share.

The header `crm-signature` is `KEY ID:HEX`, HEX being HMAC-SHA256, with the key's secret, over the
netstrings (`LENGTH:BYTES,`) of name and value of every `ce_` header and `content-type`, names in
lower case, sorted by name, and then the netstring of the record's value.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from uuid import UUID

from services.intake.raw_record import Received
from services.intake.rejection import Reason, Refused
from services.intake.settings import ProducerKey

HEADER = "crm-signature"


def sign(
    key_id: str, secret: bytes, headers: Iterable[tuple[str, bytes | None]], value: bytes
) -> tuple[str, bytes]:
    """The header to send along."""
    return HEADER, f"{key_id}:{_mac(secret, headers, value)}".encode()


def check(record: Received, org_id: UUID, keys: Mapping[str, ProducerKey]) -> None:
    """Refuse a record that nobody signed who may speak about the organisation.

    One answer for every way to be wrong: whose keys exist is nobody's business.
    """
    if not keys:
        return
    found = [value for name, value in record.headers if name.lower() == HEADER]
    key_id, _, mac = (found[0] if len(found) == 1 and found[0] else b"").partition(b":")
    key = keys.get(key_id.decode("utf-8", "replace"))
    if key is not None and key.org == org_id:
        expected = _mac(key.secret.get_secret_value().encode(), record.headers, record.value or b"")
        if hmac.compare_digest(expected.encode(), mac):
            return
    raise Refused(
        Reason.UNSIGNED,
        f"this door demands a header {HEADER} by a key of the property's organisation",
    )


def _mac(secret: bytes, headers: Iterable[tuple[str, bytes | None]], value: bytes) -> str:
    said = sorted(
        (name.lower().encode(), content or b"")
        for name, content in headers
        if name.lower().startswith("ce_") or name.lower() == "content-type"
    )
    told = hmac.new(secret, digestmod=hashlib.sha256)
    for part in (part for pair in said for part in pair):
        told.update(b"%d:%b," % (len(part), part))
    told.update(b"%d:%b," % (len(value), value))
    return told.hexdigest()
