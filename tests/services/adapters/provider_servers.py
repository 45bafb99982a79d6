"""Servers on 127.0.0.1 that take messages as a provider does, and misbehave as a test orders."""

import asyncio
import contextlib
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiosmtpd.smtp import SMTP, Envelope, Session

LATE_SECONDS = 1.5
"""Longer than the time-outs of the providers under test."""


class Mode(StrEnum):
    """The behaviour of a server towards a message."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    BUSY = "busy"
    DROP = "drop"
    """Store the message, and close the connection without an answer."""
    LATE = "late"
    """Store the message, and answer after the time-out."""
    TWICE = "twice"
    """Store the message once, and answer twice."""
    FAIL_AFTER_STORING = "fail_after_storing"
    REDIRECT = "redirect"
    GARBAGE = "garbage"
    """Store the message, and answer something that is not of the protocol."""


@dataclass
class Request:
    """A request that the HTTP server received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@dataclass
class HttpServer:
    """A server of the SMS API and of webhooks. `stored` has the messages that it took."""

    mode: Mode = Mode.ACCEPT
    status: int | None = None
    body: bytes | None = None
    """An answer to be given instead of the one of the mode."""
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    stored: list[dict[str, Any]] = field(default_factory=list)
    answer_to_get: tuple[int, bytes] | None = None
    """The answer to a question about messages; None: the list of `stored`."""
    late_seconds: float = LATE_SECONDS
    date: datetime | None = None
    """The time in the header Date; None: now."""
    extra_headers: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def posted(self) -> int:
        return sum(request.method == "POST" for request in self.requests)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await self._read(reader)
                self.requests.append(request)
                if not await self._answer(request, writer):
                    break
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = lines[0].split(" ")
        return Request(method, path, headers, body)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; return whether the connection stays open."""
        if request.method == "GET":
            rows = orjson.dumps({"messages": self.stored, "next_page_uri": None})
            writer.write(self._response(*(self.answer_to_get or (200, rows))))
            await writer.drain()
            return True
        if self.status is not None:
            writer.write(self._response(self.status, self.body or b"{}"))
            await writer.drain()
            return True
        match self.mode:
            case Mode.REFUSE:
                answer = self._response(400, b'{"code": 30007, "message": "carrier filter"}')
            case Mode.UNKNOWN_RECIPIENT:
                answer = self._response(400, b'{"code": 21211, "message": "not a number"}')
            case Mode.BUSY:
                answer = self._response(429, b"{}")
            case Mode.REDIRECT:
                self.extra_headers = f"Location: {self.url}/elsewhere\r\n"
                answer = self._response(307, b"")
            case _:
                answer = self._store(request)
        if self.mode is Mode.DROP:
            writer.transport.abort()
            return False
        if self.mode is Mode.LATE:
            await asyncio.sleep(self.late_seconds)  # a late answer: the client must time out first
        writer.write(answer + answer if self.mode is Mode.TWICE else answer)
        await writer.drain()
        return True

    def _store(self, request: Request) -> bytes:
        sid = f"SM{len(self.stored):032d}"
        form = request.form
        self.stored.append({
            "sid": sid, "to": form.get("To"), "body": form.get("Body"), "status": "sent",
            "direction": "outbound-api", "error_code": None,
            "date_created": format_datetime(datetime.now(UTC)),
        })  # fmt: skip
        if self.mode is Mode.FAIL_AFTER_STORING:
            return self._response(500, b"{}")
        if self.mode is Mode.GARBAGE:
            return b"\x00\x01 no protocol at all\r\n\r\n"
        return self._response(201, orjson.dumps({"sid": sid, "status": "queued"}))

    def _response(self, status: int, body: bytes) -> bytes:
        date = format_datetime((self.date or datetime.now(UTC)).astimezone(UTC), usegmt=True)
        head = f"HTTP/1.1 {status} x\r\nDate: {date}\r\n{self.extra_headers}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def http_server(host: str = "127.0.0.1") -> AsyncIterator[HttpServer]:
    """Run the HTTP server during a block."""
    state = HttpServer()
    server = await asyncio.start_server(state.serve, host, 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()


@dataclass
class SmtpServer:
    """An SMTP server that stores e-mails."""

    mode: Mode = Mode.ACCEPT
    port: int = 0
    stored: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    connections: int = 0
    answer: dict[str, str] = field(default_factory=dict)
    """Command → the answer to be given to it."""

    async def handle_MAIL(  # noqa: N802 (the name is of aiosmtpd)
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "MAIL" in self.answer:
            return self.answer["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if "RCPT" in self.answer:
            return self.answer["RCPT"]
        match self.mode:
            case Mode.REFUSE:
                return "550 5.7.1 not from you"
            case Mode.UNKNOWN_RECIPIENT:
                return "550 5.1.1 no such user"
            case Mode.BUSY:
                return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content or b""
        parsed = message_from_bytes(content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.stored.append(parsed)
        self.recipients.extend(envelope.rcpt_tos)
        self.senders.append(envelope.mail_from or "")
        if "DATA" in self.answer:
            return self.answer["DATA"]
        match self.mode:
            case Mode.DROP:
                transport = server.transport
                assert isinstance(transport, asyncio.Transport)
                transport.abort()
            case Mode.LATE:
                await asyncio.sleep(LATE_SECONDS)  # longer than the time-out of the provider
            case Mode.TWICE:
                await server.push("250 OK")
            case Mode.FAIL_AFTER_STORING:
                return "451 4.3.0 the disk is full"
            case Mode.GARBAGE:
                return "what is this"
        return "250 OK"


@asynccontextmanager
async def smtp_server(**options: Any) -> AsyncIterator[SmtpServer]:
    """Run the SMTP server during a block."""
    state = SmtpServer()

    def connect() -> SMTP:
        state.connections += 1
        return SMTP(state, hostname="mail.example", enable_SMTPUTF8=True, **options)

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()


def hours_ago(hours: float) -> datetime:
    """Return the instant some hours before now."""
    return datetime.now(UTC) - timedelta(hours=hours)
