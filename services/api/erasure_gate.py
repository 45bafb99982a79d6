"""The refusal of all requests while the tables have texts of persons who were erased."""

from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.context import ApiContext
from services.api.problems import RETRY_SECONDS, Problem
from services.runtime.health import HEALTHZ


class ErasureGate:
    """An ASGI layer that raises 503 after a restore, until all erasures are applied again.

    The reason is for operators: it is in /readyz, which is not public.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != HEALTHZ.path:
            context: ApiContext = scope["app"].state.context
            if await context.applied_erasures.describe_delay() is not None:
                raise Problem(
                    503, "unavailable",
                    "the database was restored and is not ready yet: try again later",
                    headers={"Retry-After": str(RETRY_SECONDS)},
                )  # fmt: skip
        await self.app(scope, receive, send)
