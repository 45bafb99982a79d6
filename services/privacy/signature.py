"""Signatures of certificates: Ed25519, so that whoever has the public key can check one."""

import base64
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from events.keys.ring import CERTIFICATE, current_ring
from events.keys.store import Source

SIGNATURE = "signature"


class InvalidCertificate(ValueError):
    """A certificate that was changed, or that another installation signed."""


async def sign(source: Source, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the member `signature` over its canonical JSON."""
    private_key = await _private_key(source)
    signature = {
        "algorithm": "Ed25519",
        "public_key": _text(private_key.public_key().public_bytes_raw()),
        "value": _text(private_key.sign(canonical(document))),
    }
    return {**document, SIGNATURE: signature}


async def verify(source: Source, document: Mapping[str, Any]) -> None:
    """Raise `InvalidCertificate` unless this installation signed exactly this document."""
    signed = {name: value for name, value in document.items() if name != SIGNATURE}
    signature = document.get(SIGNATURE)
    own = (await _private_key(source)).public_key()
    if not isinstance(signature, Mapping):
        raise InvalidCertificate("the certificate has no signature")
    if signature.get("public_key") != _text(own.public_bytes_raw()):
        raise InvalidCertificate(
            "another installation signed the certificate: its public key is not that of this one"
        )
    check_signature(own, signed, str(signature.get("value")))


def check_signature(key: Ed25519PublicKey, document: Mapping[str, Any], value: str) -> None:
    """Raise `InvalidCertificate` unless `value` is the signature of the document."""
    try:
        key.verify(base64.b64decode(value, validate=True), canonical(document))
    except (InvalidSignature, ValueError):
        raise InvalidCertificate("the certificate was changed after it was signed") from None


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the signed form: JSON with sorted names, without spaces."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


async def _private_key(source: Source) -> Ed25519PrivateKey:
    seed = await current_ring().secret_key(source, CERTIFICATE)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
