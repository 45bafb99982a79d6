"""Origins of web pages that may show a widget, in the form in which browsers send them."""

import re
from urllib.parse import urlsplit

from services.deciders.host_names import encode_host

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PORT = re.compile(r":[0-9]*$")


def normalize_origin(text: str) -> str:
    """Return `scheme://host[:port]` as a browser sends it: without the scheme's default port.

    Raise `ValueError` for anything else, also for `*` and for `null`, which every sandboxed page
    sends.
    """
    stripped = text.strip()
    try:
        parts = urlsplit(stripped)
        port = parts.port
        # Not `parts.hostname`: it is in Python's lower case, which differs from that of browsers.
        host = encode_host(_PORT.sub("", parts.netloc))
    except ValueError:
        raise _invalid_origin(text) from None
    rest = stripped.partition("://")[2].removesuffix("/")
    if (
        parts.scheme not in _DEFAULT_PORTS
        or any(character in rest for character in "/?#@\\ \t\r\n*")
        or rest.endswith(":")
        or port == 0
    ):
        raise _invalid_origin(text)
    if port is None or port == _DEFAULT_PORTS[parts.scheme]:
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{port}"


def is_listed(origin: str, allowed: object) -> bool:
    """Return whether the origin of a request is in a widget's list of allowed origins.

    Whole origins are compared. `null` is never allowed, because every sandboxed page sends it.
    """
    listed = allowed if isinstance(allowed, list) else []
    compared = _comparable(origin)
    return compared is not None and compared in {_comparable(str(item)) for item in listed}


def _comparable(origin: str) -> str | None:
    """Return the origin as a browser sends it; None for a text that is no origin."""
    try:
        return normalize_origin(origin)
    except ValueError:
        return None


def _invalid_origin(text: str) -> ValueError:
    shown = text[:100].encode("utf-8", "replace").decode()
    return ValueError(
        f"{shown!r} is not an origin: use scheme://host[:port] with http or https and no path"
    )
