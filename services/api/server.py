"""The HTTP server: uvicorn with bounded requests and a shutdown that ends event streams first."""

import functools
import socket

import uvicorn
from fastapi import FastAPI

from services.api.context import ApiContext
from services.api.http_protocol import ArrivalLimits, BoundedHttpProtocol
from services.runtime.listening import listen
from services.runtime.settings import Settings

STOP_SECONDS = 10


class ApiServer(uvicorn.Server):
    """A server that ends all event streams before it waits for the remaining requests.

    A stream lasts for minutes. Without this, every shutdown would take `STOP_SECONDS`.
    """

    def __init__(self, settings: Settings, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app, host=settings.http_host, port=settings.http_port, log_config=None,
                access_log=False, lifespan="on", timeout_graceful_shutdown=STOP_SECONDS,
                http=functools.partial(  # type: ignore[arg-type]
                    BoundedHttpProtocol, limits=ArrivalLimits.of(settings),
                    admission=app.state.admission,
                ),
                # rate_limit/networks reads X-Forwarded-For, for trusted proxies only.
                proxy_headers=False,
            )
        )  # fmt: skip
        self._app = app
        self._settings = settings

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until stopped. Raise `StartError` if the port is in use."""
        host, port = self._settings.http_host, self._settings.http_port
        await super().serve(sockets or [listen(host, port, "CRM_HTTP_HOST and CRM_HTTP_PORT")])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all streams, then shut down."""
        context: ApiContext = self._app.state.context
        context.listeners.end()
        self._app.state.change_feed.end()
        await super().shutdown(sockets)
