"""An SMTP server and an SMS API on this machine that take every message, and count."""

import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import orjson
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.local_stack.ports import HOST, free_port

TAKEN, CREATED = "250 OK", 201
MAX_BODY_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class CountedMessage:
    """A message that a server took. `text` is the subject of an e-mail, or the text of an SMS."""

    channel: str
    recipient: str
    text: str
    attachments: tuple[str, ...] = ()


@dataclass
class LocalProviders:
    """Both servers; `received` is what they took, one entry for each request."""

    received: list[CountedMessage] = field(default_factory=list)
    _smtp: Controller | None = None
    _smtp_port: int = 0
    _http: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self._smtp_port = free_port()
        self._smtp = Controller(_MailHandler(self.received), hostname=HOST, port=self._smtp_port)
        self._smtp.start()
        self._http = ThreadingHTTPServer((HOST, 0), _sms_handler(self.received))
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._smtp is not None:
            self._smtp.stop()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings with which the sender uses these servers."""
        if self._smtp is None or self._http is None:
            raise RuntimeError("the servers have not been started")
        return {
            "smtp_host": HOST,
            "smtp_port": self._smtp_port,
            "smtp_security": "none",
            "smtp_sender": "tours@lakeview-lofts.example",
            "sms_url": f"http://{HOST}:{self._http.server_port}",
            "sms_account": "AC0000",
            "sms_auth_token": "a token that only this machine knows",
            "sms_sender": "+12125550100",
        }


class _MailHandler:
    """The handler of the SMTP server; its method has the name that the server calls."""

    def __init__(self, received: list[CountedMessage]) -> None:
        self._received = received

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = message_from_bytes(content, policy=default)
        names = tuple(part.get_filename() or "" for part in mail.iter_attachments())
        subject = str(mail["subject"])
        for recipient in envelope.rcpt_tos:
            self._received.append(CountedMessage("email", recipient, subject, names))
        return TAKEN


def _sms_handler(received: list[CountedMessage]) -> type[BaseHTTPRequestHandler]:
    """Return the handler of the SMS API, which accepts messages as Twilio does."""

    class SmsHandler(BaseHTTPRequestHandler):
        """A request of the SMS API."""

        def do_POST(self) -> None:
            """Take a message."""
            size = min(int(self.headers.get("Content-Length") or 0), MAX_BODY_BYTES)
            form = dict(parse_qsl(self.rfile.read(size).decode()))
            received.append(CountedMessage("sms", form.get("To", ""), form.get("Body", "")))
            body = orjson.dumps({"sid": f"SM{len(received):032d}", "status": "queued"})
            self.send_response(CREATED)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Write nothing: the demo shows what was received."""

    return SmsHandler
