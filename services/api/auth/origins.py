"""Origins of web pages that may show a widget, in the form in which browsers send them."""

import re
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")


def normalize_origin(text: str) -> str:
    """Return `scheme://host[:port]` in lower case, without the default port of the scheme.

    Raise `ValueError` for anything else, also for `*` and for `null`, which every sandboxed page
    sends.
    """
    stripped = text.strip()
    try:
        parts = urlsplit(stripped)
        host, port = parts.hostname or "", parts.port
        host = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise _invalid_origin(text) from None
    rest = stripped.partition("://")[2].removesuffix("/")
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not _HOST.fullmatch(host)
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
    return origin != "null" and _comparable(origin) in {_comparable(str(item)) for item in listed}


def _comparable(origin: str) -> str:
    return origin.strip().rstrip("/").casefold()


def _invalid_origin(text: str) -> ValueError:
    shown = text[:100].encode("utf-8", "replace").decode()
    return ValueError(
        f"{shown!r} is not an origin: use scheme://host[:port] with http or https and no path"
    )
