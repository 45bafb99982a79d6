"""Origins a widget may be shown on, in the form in which browsers send them."""

import re
from urllib.parse import urlsplit

_USUAL_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")


def origin_of(text: str) -> str:
    """`scheme://host[:port]`, in lower case, without the scheme's usual port. Raises `ValueError`.

    Never `*` nor `null`, which is what any sandboxed page sends.
    """
    said = text.strip()
    try:
        parts = urlsplit(said)
        host, port = parts.hostname or "", parts.port
        host = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise _none(text) from None
    rest = said.partition("://")[2]
    if (
        parts.scheme not in _USUAL_PORTS
        or not _HOST.fullmatch(host)
        or any(mark in rest.removesuffix("/") for mark in "/?#@\\ \t\r\n*")
        or rest.removesuffix("/").endswith(":")
        or port == 0
    ):
        raise _none(text)
    if port is None or port == _USUAL_PORTS[parts.scheme]:
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{port}"


def _none(text: str) -> ValueError:
    shown = text[:100].encode("utf-8", "replace").decode()
    return ValueError(f"{shown!r} is no origin: scheme://host[:port], http or https, no path")
