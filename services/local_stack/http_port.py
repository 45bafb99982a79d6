"""The port of a stack's API: of the option, of the environment, or the default."""

import os

from services.local_stack.child_process import StackError
from services.local_stack.ports import free_port, is_free
from services.runtime.settings import Settings


def choose_http_port(given: int | None) -> int:
    """Return the given port, or that of CRM_HTTP_PORT, or the default if it is free.

    0 is any free port. Raise `StackError` if another program uses the port.
    """
    if given is not None:
        return _require_free(given, "another --http-port")
    if configured := os.environ.get("CRM_HTTP_PORT"):
        if not configured.isdecimal():
            raise StackError(f"CRM_HTTP_PORT is {configured!r}: give the number of a port")
        return _require_free(int(configured), "another CRM_HTTP_PORT")
    default = int(Settings.model_fields["http_port"].default)
    return default if is_free(default) else free_port()


def _require_free(port: int, alternative: str) -> int:
    if port == 0:
        return free_port()
    if not is_free(port):
        raise StackError(
            f"port {port} is in use: stop the program that uses it, or give {alternative}"
        )
    return port
