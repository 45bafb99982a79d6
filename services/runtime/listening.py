"""Listening sockets, opened before a server starts, so that a used port is a clear error."""

import socket

BACKLOG = 2_048


class StartError(Exception):
    """A process cannot start. The message is one line that says what to do."""


def listen(host: str, port: int, settings: str) -> socket.socket:
    """Return a socket that listens on host and port, 0 for any free port.

    Raise `StartError`, which names the `settings` to change.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartError(
            f"cannot listen on {host}:{port} ({reason}): stop what uses the port, "
            f"or change {settings}"
        ) from None
