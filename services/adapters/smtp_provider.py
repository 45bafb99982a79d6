"""The provider that hands e-mails to an SMTP server, one connection for each message."""

import asyncio
import re
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage

import aiosmtplib

from events.deliveries import DeliveryChannel
from services.adapters.email_message import build_email, encode_recipient, needs_utf8
from services.adapters.provider import (
    UNKNOWN_ADDRESS,
    Accepted,
    Finding,
    HandOverResult,
    HandOverUnknown,
    LookUp,
    NotHandedOver,
    OutgoingMessage,
    Rejected,
)
from services.runtime.provider_settings import ProviderSettings

_START_INPUT, _COMPLETED, _PERMANENT = 354, 250, 500
_DOT = re.compile(rb"(?m)^\.")
_UNKNOWN_MAILBOX = re.compile(r"\b5\.1\.(?:1|2|3|10)\b")
"""The enhanced status codes of an address that does not exist (RFC 3463, RFC 7505)."""


class SmtpProvider:
    """E-mails by SMTP.

    The server has the message only if it got the line with the final dot. A failure before that
    line is proven; a lost connection or a time-out after it is unknown. A temporary refusal after
    it (4yz) is unknown too: the standard says that such a message is not delivered, but a server
    that fails after it has stored the message says the same.
    """

    name = "smtp"
    channel = DeliveryChannel.EMAIL
    is_simulated = False

    def __init__(self, settings: ProviderSettings) -> None:
        if settings.smtp_host is None or settings.smtp_sender is None:
            raise ValueError("CRM_SMTP_HOST and CRM_SMTP_SENDER are not set")
        self._settings, self._host = settings, settings.smtp_host
        self._sender = encode_recipient(settings.smtp_sender)
        self._tls = ssl.create_default_context(cafile=settings.smtp_ca_file)

    async def hand_over(self, message: OutgoingMessage) -> HandOverResult:
        """Send the e-mail once. Raises `HandOverUnknown`."""
        try:
            public_url = self._settings.public_url
            content = build_email(message, self._sender, datetime.now(UTC), public_url)
        except ValueError as error:
            return Rejected(UNKNOWN_ADDRESS, str(error))
        transfer = _Transfer(self._open_client(), message, self._sender, content)
        try:
            async with asyncio.timeout(self._settings.smtp_timeout_seconds):
                return await transfer.run()
        except aiosmtplib.SMTPResponseException as error:
            return _refusal(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ssl.SSLError) as error:
            # Not the text of the error: it can contain the address of the recipient.
            reason = f"the SMTP server did not answer: {type(error).__name__}"
            if transfer.is_sent:
                raise HandOverUnknown(reason) from error
            return NotHandedOver("unreachable", reason)
        finally:
            transfer.client.close()

    async def look_up(self, message: OutgoingMessage, claimed_at: datetime) -> LookUp:
        """Return `NOT_KNOWN`: SMTP has no query. A bounce, or the recipient, can tell."""
        return LookUp(Finding.NOT_KNOWN, detail="an SMTP server cannot be asked")

    async def close(self) -> None:
        """Do nothing: no connection outlives its message."""

    def _open_client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        password = settings.smtp_password
        return aiosmtplib.SMTP(
            hostname=self._host, port=settings.smtp_port, timeout=settings.smtp_timeout_seconds,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            tls_context=None if settings.smtp_security == "none" else self._tls,
            username=settings.smtp_username,
            password=None if password is None else password.get_secret_value(),
            local_hostname=self._sender.rpartition("@")[2],
        )  # fmt: skip


class _Transfer:
    """One mail transaction. `is_sent` is True from the moment the final dot may have left."""

    def __init__(
        self, client: aiosmtplib.SMTP, message: OutgoingMessage, sender: str, content: EmailMessage
    ) -> None:
        self.client, self.is_sent = client, False
        self._message, self._sender, self._content = message, sender, content

    async def run(self) -> HandOverResult:
        client = self.client
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except aiosmtplib.SMTPResponseException as error:
            # A refused greeting or login is not the fault of the message: also 5yz is temporary.
            return NotHandedOver(f"smtp_{error.code}", f"the SMTP server answered {error.code}")
        utf8 = needs_utf8(self._message)
        if utf8 and not client.supports_extension("smtputf8"):
            return Rejected("no_smtputf8", "the SMTP server takes addresses in ASCII only")
        encoding, options = ("utf-8", ["SMTPUTF8"]) if utf8 else ("ascii", [])
        await client.mail(self._sender, options=options, encoding=encoding)
        await client.rcpt(encode_recipient(self._message.recipient), encoding=encoding)
        start = await client.execute_command(b"DATA")
        if start.code != _START_INPUT:
            return _refusal(start.code, start.message)
        return await self._send_content()

    async def _send_content(self) -> HandOverResult:
        protocol = self.client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("connection lost")
        content = _DOT.sub(b"..", self._content.as_bytes())
        # The library's method for DATA does not tell in which of its two waits it failed.
        self.is_sent = True
        protocol.write(content + b".\r\n")
        try:
            end = await protocol.read_response(timeout=self.client.timeout)
        except aiosmtplib.SMTPResponseException as error:
            raise HandOverUnknown(f"the SMTP server's answer is malformed: {error.code}") from error
        if end.code == _COMPLETED:
            return Accepted(self._content["Message-ID"])
        if end.code >= _PERMANENT:
            return _refusal(end.code, end.message)
        raise HandOverUnknown(f"the SMTP server answered {end.code} after it got the message")


def _refusal(code: int, text: str) -> HandOverResult:
    """Return the result of a negative answer to a command before the final dot, or of a 5yz."""
    reason = f"the SMTP server answered {code}"
    status = re.match(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}\b", text)
    if status:
        reason += f" {status[0]}"
    if code < _PERMANENT:
        return NotHandedOver(f"smtp_{code}", reason)
    unknown = _UNKNOWN_MAILBOX.search(text)
    return Rejected(UNKNOWN_ADDRESS if unknown else f"smtp_{code}", reason)
