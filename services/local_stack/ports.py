"""Free TCP ports on 127.0.0.1, which a server keeps over restarts if possible."""

import socket
from pathlib import Path

HOST = "127.0.0.1"


def remembered_port(file: Path, other_than: int = 0) -> int:
    """Return the port written in `file` if it is free, else a free one that is written there.

    `other_than` is a port that is about to be used: the system may name it as free once more.
    """
    try:
        port = int(file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        port = 0
    if port in (0, other_than) or not is_free(port):
        port = free_port()
        while port == other_than:
            port = free_port()
        file.write_text(str(port), encoding="ascii")
    return port


def free_port() -> int:
    """Return a port on which no server listens at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def is_listening(port: int) -> bool:
    """Return whether a server accepts connections on this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
