"""Host names in the form in which browsers send them.

Browsers map a name with UTS 46, non-transitional, and encode every label that is not ASCII
(https://url.spec.whatwg.org/#host-parsing). So `straße.example` and `strasse.example` are two
hosts, and `ＡＢＣ.example` and `abc.example` are one.
"""

import ipaddress
import re

import idna

MAX_LABEL_LENGTH, MAX_LENGTH = 63, 253
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$")
_ACE_PREFIX = "xn--"


def encode_host(name: str) -> str:
    """Return the ASCII form of a host name or address; an IPv6 address is given in brackets.

    Raises `ValueError` for a text that is not a host.
    """
    try:
        encoded = _encode_address(name) if name.startswith("[") else _encode_name(name)
    except ValueError as error:  # also the errors of idna
        raise ValueError(f"{name!r} is not a host name or address: {error}") from None
    return encoded


def decode_host(name: str) -> str:
    """Return a host name in Unicode: all spellings of one name give the same text.

    Raises `ValueError` as `encode_host` does.
    """
    return ".".join(_decode_label(label) for label in encode_host(name).split("."))


def _encode_address(text: str) -> str:
    if not text.endswith("]") or "%" in text:
        raise ValueError("an IPv6 address is written in brackets, without a zone id")
    return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"


def _encode_name(name: str) -> str:
    mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    encoded = ".".join(_encode_label(label) for label in mapped.split("."))
    longest_label = max(map(len, encoded.split(".")))
    if (
        not _HOST.fullmatch(encoded)
        or len(encoded) > MAX_LENGTH
        or longest_label > MAX_LABEL_LENGTH
    ):
        raise ValueError("a label is empty, too long, or has a character that no host has")
    if _ENDS_IN_NUMBER.search(encoded):  # a browser then reads an IPv4 address
        return str(ipaddress.IPv4Address(encoded.removesuffix(".")))
    return encoded


def _encode_label(label: str) -> str:
    return label if label.isascii() else _ACE_PREFIX + label.encode("punycode").decode("ascii")


def _decode_label(label: str) -> str:
    """Return a label in Unicode; one that is not the encoding of a label stays as it is."""
    if not label.startswith(_ACE_PREFIX):
        return label
    try:
        decoded = label.removeprefix(_ACE_PREFIX).encode().decode("punycode")
        mapped = idna.uts46_remap(decoded, std3_rules=False, transitional=False)
    except UnicodeError:
        return label
    return decoded if mapped == decoded and _encode_label(decoded) == label else label
