"""An HTTP client for servers of this machine."""

from typing import Any

import httpx2


def open_local_client(**options: Any) -> httpx2.AsyncClient:
    """Return a client for plain HTTP.

    It loads no certificates. That takes 20 ms of processor time, too much for each poll of `until`.
    """
    return httpx2.AsyncClient(verify=False, **options)
