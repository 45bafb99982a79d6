"""Visitor ids: the ids that the code of a web site makes for its visitors.

The core neither stores nor publishes a visitor id, but a keyed hash of it.

Broken code of a web site sends a placeholder, such as `v_undefined`, for every visitor. A
placeholder identifies nobody: it means that there is no visitor id.
"""

import hashlib
import hmac
import re
from uuid import UUID

_PREFIX = re.compile(r"^(?:v|visitor)[_-]")
_PLACEHOLDERS = frozenset({
    "", "undefined", "null", "nil", "none", "nan", "infinity", "-infinity", "true", "false",
    "object", "[object object]", "[object promise]", "%5bobject%20object%5d", "function", "{}",
    "[]", "unknown", "n/a", "na", "anonymous",
})  # fmt: skip
"""Texts that JavaScript and other languages write for a missing value."""
_KIND = re.compile(r"[a-z_]{1,32}")
_ID_OF_PRINCIPAL = re.compile(
    r"[a-z_]{1,32}:([0-9]{1,9}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
)
_ZEROS = re.compile(r"[0-]+")


def read_visitor_id(text: str) -> str | None:
    """Return the visitor id without spaces around it; None for a blank text or a placeholder.

    >>> read_visitor_id("v_undefined") is None
    True
    """
    visitor_id = text.strip()
    name = visitor_id.casefold().strip("\"' ")
    if _ZEROS.fullmatch(name) or _PREFIX.sub("", name).strip("\"' ") in _PLACEHOLDERS:
        return None
    return visitor_id


def hash_visitor_id(key: bytes, property_id: UUID, visitor_id: str) -> str:
    """Return the keyed hash of a visitor id, 32 hexadecimal digits, another one in each property.

    `key` is the newest secret key for `visitor_id`. A rotation makes known visitors unknown.
    """
    name = f"{property_id}/{visitor_id}".encode("utf-8", "surrogatepass")
    return hmac.new(key, name, hashlib.sha256).hexdigest()[:32]


def hash_principal(key: bytes, property_id: UUID, principal: str) -> str:
    """Return the principal `<kind>:<name>` that a producer names, with a hash in place of the name.

    Only an id stays: a UUID, or a number that is shorter than a phone number. The actor of an event
    is stored in clear text. The hash of a visitor's name is that of the visitor's session.
    """
    if _ID_OF_PRINCIPAL.fullmatch(principal):
        return principal
    kind, _, name = principal.partition(":")
    if not name or not _KIND.fullmatch(kind):
        kind, name = "unknown", principal
    return f"{kind}:{hash_visitor_id(key, property_id, name.strip())}"
