"""A provider of SMS that accepts, refuses, drops, comes late and lies."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from services.runtime.settings import Settings
from tests.services.adapters.provider_servers import HttpServer, Mode, Request
from tests.services.adapters.test_provider_contract import use_sms

LEASE_SECONDS = 8.0
PROVIDER_SECONDS = 3.0
MODES = {
    Mode.ACCEPT: 75, Mode.TWICE: 4, Mode.BUSY: 5, Mode.REFUSE: 5, Mode.DROP: 5, Mode.LATE: 2,
    Mode.FAIL_AFTER_STORING: 2, Mode.GARBAGE: 2,
}  # fmt: skip
"""The answers of the provider to requests, in per cent."""
UNCLEAR = (Mode.DROP, Mode.LATE, Mode.FAIL_AFTER_STORING, Mode.GARBAGE)
SHORT_PAUSE = """
from datetime import timedelta
from services.sender import provider_pace
provider_pace.PAUSE = timedelta(seconds=2)
"""
"""The change of a sender process that pauses 2 s, not 30, after three requests without success.

This provider causes such pauses often, and nothing is killed while all senders pause.
"""
DENIALS = 0.3
"""The part of the questions about messages to which the provider answers that it has none."""


class Handling(NamedTuple):
    """The treatment of one request, and the sender process that made it."""

    mode: Mode
    sender: str
    at: datetime


@dataclass
class LyingServer(HttpServer):
    """A provider that treats each request in another way, and sometimes denies what it has."""

    chance: random.Random = field(default_factory=lambda: random.Random(1))
    seen: dict[str, list[Handling]] = field(default_factory=dict)
    """The text of a message → how its requests were treated. So requests count, not ids."""

    @property
    def modes(self) -> Counter[Mode]:
        return Counter(handling.mode for handlings in self.seen.values() for handling in handlings)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.method == "GET":
            lie = (200, b'{"messages": [], "next_page_uri": null}')
            plain = self._plain(Mode.ACCEPT)
            recipient = dict(parse_qsl(urlsplit(request.path).query))["To"]
            plain.stored = [message for message in self.stored if message["to"] == recipient]
            plain.answer_to_get = lie if self.chance.random() < DENIALS else None
            return await plain._answer(request, writer)
        [mode] = self.chance.choices(list(MODES), list(MODES.values()))
        sender = request.path.split("/")[1]
        handling = Handling(mode, sender, datetime.now(UTC))
        self.seen.setdefault(request.form["Body"], []).append(handling)
        return await self._plain(mode)._answer(request, writer)

    def _plain(self, mode: Mode) -> HttpServer:
        retry = "Retry-After: 1\r\n" if mode is Mode.BUSY else ""
        return HttpServer(
            mode, port=self.port, requests=self.requests, stored=self.stored, extra_headers=retry,
            late_seconds=PROVIDER_SECONDS + 0.5,
        )  # fmt: skip


@asynccontextmanager
async def lying_server(seed: int) -> AsyncIterator[LyingServer]:
    """Run the provider during a block."""
    state = LyingServer(chance=random.Random(seed))
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()


def use_lying_server(settings: Settings, server: HttpServer, **changes: object) -> Settings:
    """Return settings with the provider, without its rate limit, and with a short lease."""
    secrets = {"sms_auth_token": SecretStr("0123456789abcdef")}
    return use_sms(
        settings, server.port,
        **secrets | {
            "sms_timeout_seconds": PROVIDER_SECONDS, "send_lease_seconds": LEASE_SECONDS,
            "sms_per_second": 0.0,
        } | changes,
    )  # fmt: skip


def name_sender(settings: Settings, name: str) -> Settings:
    """Return the settings of one sender process: the path of its requests begins with its name."""
    return settings.model_copy(update={"sms_url": f"{settings.sms_url}/{name}"})
