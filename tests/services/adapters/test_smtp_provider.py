"""E-mails as an SMTP server gets them, and what each failure of the server proves."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from events.deliveries import DeliveryChannel, MessageClass
from services.adapters.email_message import parse_message_id
from services.adapters.provider import (
    Accepted,
    Attachment,
    HandOverUnknown,
    NotHandedOver,
    OutgoingMessage,
    Rejected,
)
from services.adapters.smtp_provider import SmtpProvider
from services.runtime.settings import Settings
from tests.services.adapters.provider_servers import Mode, SmtpServer, hours_ago, smtp_server
from tests.services.adapters.test_provider_contract import make_message, use_smtp

LINK = "https://crm.example/unsubscribe/abc"
INVITE = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
MESSAGE = replace(
    make_message(DeliveryChannel.EMAIL, "ada@lovelace.example"),
    body='Hi <b>Ada</b> & co,\n.\n..\nsee https://alder.example/?a=1&b="2".\n\nBye',
)


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    async with smtp_server() as running:
        yield running


async def send(settings: Settings, server: SmtpServer, message: OutgoingMessage) -> object:
    return await SmtpProvider(use_smtp(settings, server.port)).hand_over(message)


async def test_the_message_id_is_that_of_the_delivery_in_every_attempt(
    server: SmtpServer, bare_settings: Settings
) -> None:
    results = [
        await send(bare_settings, server, replace(MESSAGE, attempt=attempt)) for attempt in (1, 2)
    ]
    first, second = server.stored
    assert first["Message-ID"] == second["Message-ID"]
    assert parse_message_id(first["Message-ID"]) == MESSAGE.delivery_id
    assert results == [Accepted(first["Message-ID"])] * 2


@pytest.mark.parametrize("text", ["", "<a@b>", "<0@b>", "no id", f"<{UUID(int=1)}>"])
def test_another_message_id_is_no_delivery(text: str) -> None:
    assert parse_message_id(text) is None


async def test_text_and_html_have_the_same_text_and_every_value_is_escaped(
    server: SmtpServer, bare_settings: Settings
) -> None:
    name = 'A & B <script>"'
    await send(bare_settings, server, replace(MESSAGE, sender_name=name, subject="<i>'s"))
    email = server.stored[0]
    text, html = email.get_body(("plain",)), email.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n").startswith(MESSAGE.body)
    content = html.get_content().replace("\r\n", "\n")
    assert "Hi &lt;b&gt;Ada&lt;/b&gt; &amp; co,<br>\n.<br>\n..<br>\n" in content
    assert '<a href="https://alder.example/?a=1&amp;b=">' in content
    assert "A &amp; B &lt;script&gt;&quot;" in content
    assert "<script" not in content
    assert "<b>" not in content
    assert "<title>&lt;i&gt;&#x27;s</title>" in content


async def test_a_marketing_email_can_be_unsubscribed_with_one_click_and_names_the_address(
    server: SmtpServer, bare_settings: Settings
) -> None:
    await send(bare_settings, server, MESSAGE)
    email = server.stored[0]
    assert email["List-Unsubscribe"] == f"<{LINK}>"
    assert email["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for kind in ("plain", "html"):
        part = email.get_body((kind,))
        assert part is not None
        assert "1 Main St, Troy" in part.get_content()
        assert LINK in part.get_content()


@pytest.mark.parametrize("kind", [MessageClass.TRANSACTIONAL, MessageClass.CONVERSATIONAL])
async def test_only_marketing_has_a_link_to_unsubscribe(
    server: SmtpServer, bare_settings: Settings, kind: MessageClass
) -> None:
    await send(bare_settings, server, replace(MESSAGE, message_class=kind))
    email = server.stored[0]
    assert email["List-Unsubscribe"] is None
    assert LINK not in email.as_string()


@pytest.mark.parametrize("changes", [{"public_url": None}, {"unsubscribe_path": None}])
async def test_without_a_public_address_there_is_no_link(
    server: SmtpServer, bare_settings: Settings, changes: dict[str, None]
) -> None:
    message = replace(MESSAGE, unsubscribe_path=None) if "unsubscribe_path" in changes else MESSAGE
    public_url = changes.get("public_url", "https://crm.example")
    settings = use_smtp(bare_settings, server.port, public_url=public_url)
    assert isinstance(await SmtpProvider(settings).hand_over(message), Accepted)
    assert server.stored[0]["List-Unsubscribe"] is None
    assert server.stored[0]["List-Unsubscribe-Post"] is None


async def test_an_invite_is_attached_with_its_method(
    server: SmtpServer, bare_settings: Settings
) -> None:
    invite = Attachment("tour.ics", 'text/calendar; method="REQUEST"; charset=utf-8', INVITE)
    await send(bare_settings, server, replace(MESSAGE, attachments=[invite]))
    attached = list(server.stored[0].iter_attachments())
    assert [part.get_filename() for part in attached] == ["tour.ics"]
    assert attached[0].get_content_type() == "text/calendar"
    assert attached[0]["Content-Type"].params["method"] == "REQUEST"
    assert attached[0].get_payload(decode=True) == INVITE


async def test_a_value_cannot_begin_another_header(
    server: SmtpServer, bare_settings: Settings
) -> None:
    evil = "Hi\r\nBcc: everyone@lovelace.example\r\n\r\nbody\u2028\x00"
    result = await send(bare_settings, server, replace(MESSAGE, subject=evil, sender_name=evil))
    assert isinstance(result, Accepted)
    assert server.stored[0]["Bcc"] is None
    assert server.recipients == [MESSAGE.recipient]


@pytest.mark.parametrize(
    "recipient",
    ["ada@lovelace.example\r\nRCPT TO:<eve@evil.example>", "ada", "@lovelace.example", "a@b c", ""],
)
async def test_a_recipient_that_is_no_address_is_refused_without_a_connection(
    server: SmtpServer, bare_settings: Settings, recipient: str
) -> None:
    result = await send(bare_settings, server, replace(MESSAGE, recipient=recipient))
    assert isinstance(result, Rejected)
    assert server.connections == 0


@pytest.mark.parametrize(
    ("recipient", "sent_to"),
    [
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ädä@lovelace.example", "ädä@lovelace.example"),
        ('"a b"@lovelace.example', '"a b"@lovelace.example'),
    ],
)
async def test_an_address_in_another_script_is_sent_to(
    server: SmtpServer, bare_settings: Settings, recipient: str, sent_to: str
) -> None:
    result = await send(bare_settings, server, replace(MESSAGE, recipient=recipient))
    assert isinstance(result, Accepted)
    assert server.recipients == [sent_to]


async def test_a_mailbox_in_another_script_needs_a_server_that_can(bare_settings: Settings) -> None:
    async with raw_server(b"220 x\r\n", b"250 mail.example\r\n", b"221 bye\r\n") as port:
        provider = SmtpProvider(use_smtp(bare_settings, port))
        result = await provider.hand_over(replace(MESSAGE, recipient="ädä@lovelace.example"))
    assert isinstance(result, Rejected)
    assert result.code == "no_smtputf8"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([b"421 too many connections\r\n"], NotHandedOver),
        ([b"554 no service here\r\n"], NotHandedOver),
        ([b"not smtp at all\r\n"], NotHandedOver),
        ([b""], NotHandedOver),
        ([b"220 x\r\n", b"250 x\r\n", b"451 later\r\n"], NotHandedOver),
        ([b"220 x\r\n", b"250 x\r\n", b"550 not from you\r\n"], Rejected),
        ([b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"452 full\r\n"], NotHandedOver),
        ([b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"421 shutting down\r\n"], NotHandedOver),
        ([b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b""], NotHandedOver),
        ([b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"451 later\r\n"], NotHandedOver),
        ([b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"554 spam\r\n"], Rejected),
        ([b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b""], NotHandedOver),
    ],
    ids=[
        "greeting 421", "greeting 554", "no protocol", "closed at once", "MAIL 451", "MAIL 550",
        "RCPT 452", "RCPT 421", "RCPT lost", "DATA 451", "DATA 554", "DATA lost",
    ],
)  # fmt: skip
async def test_a_failure_before_the_final_dot_is_proven(
    bare_settings: Settings, answers: list[bytes], expected: type
) -> None:
    async with raw_server(*answers) as port:
        result = await SmtpProvider(use_smtp(bare_settings, port)).hand_over(MESSAGE)
    assert isinstance(result, expected)


START = [b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 go\r\n"]


@pytest.mark.parametrize("end", [b"", b"421 shutting down\r\n", b"451 later\r\n", b"?\r\n"])
async def test_a_failure_after_the_final_dot_is_unknown(
    bare_settings: Settings, end: bytes
) -> None:
    async with raw_server(*START, end) as port:
        with pytest.raises(HandOverUnknown):
            await SmtpProvider(use_smtp(bare_settings, port)).hand_over(MESSAGE)


async def test_a_permanent_refusal_after_the_final_dot_is_a_refusal(
    bare_settings: Settings,
) -> None:
    async with raw_server(*START, b"554 5.7.1 spam\r\n") as port:
        result = await SmtpProvider(use_smtp(bare_settings, port)).hand_over(MESSAGE)
    assert result == Rejected("smtp_554", "the SMTP server answered 554 5.7.1")


async def test_a_slow_server_before_the_final_dot_is_proven(bare_settings: Settings) -> None:
    async with raw_server(*START[:3], None) as port:
        result = await SmtpProvider(use_smtp(bare_settings, port)).hand_over(MESSAGE)
    assert isinstance(result, NotHandedOver)


async def test_the_time_out_holds_for_the_whole_hand_over(
    server: SmtpServer, bare_settings: Settings
) -> None:
    server.mode = Mode.LATE
    settings = use_smtp(bare_settings, server.port, smtp_timeout_seconds=5.0)
    assert isinstance(await SmtpProvider(settings).hand_over(MESSAGE), Accepted)
    with pytest.raises(HandOverUnknown):
        await send(bare_settings, server, MESSAGE)


async def test_the_sender_is_the_envelope_and_the_header(
    server: SmtpServer, bare_settings: Settings
) -> None:
    await send(bare_settings, server, MESSAGE)
    assert server.senders == ["office@alder.example"]
    assert server.stored[0]["From"] == "The Alder <office@alder.example>"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(hours_ago(1)).not_valid_after(hours_ago(-24))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )  # fmt: skip
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def check_login(
    _server: object, _session: object, _envelope: object, _mechanism: str, login: LoginPassword
) -> AuthResult:
    return AuthResult(success=(login.login, login.password) == (b"crm", b"sesame"), handled=False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Accepted),
        ({"smtp_ca_file": None}, NotHandedOver),
        ({"smtp_password": SecretStr("wrong")}, NotHandedOver),
        ({"smtp_username": None, "smtp_password": None}, Rejected),
        ({"smtp_security": "none"}, NotHandedOver),
    ],
    ids=["all correct", "unknown authority", "wrong password", "no login", "no TLS"],
)
async def test_a_server_with_starttls_and_a_login(
    bare_settings: Settings, certificate: Path, changes: dict[str, object], expected: type
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    options = {
        "tls_context": context, "require_starttls": True, "auth_required": True,
        "auth_require_tls": True, "authenticator": check_login,
    }  # fmt: skip
    async with smtp_server(**options) as server:
        settings = use_smtp(bare_settings, server.port, **{
            "smtp_host": "localhost", "smtp_security": "starttls", "smtp_ca_file": certificate,
            "smtp_username": "crm", "smtp_password": SecretStr("sesame"),
            "smtp_timeout_seconds": 5.0,
        } | changes)  # fmt: skip
        result = await SmtpProvider(settings).hand_over(MESSAGE)
        assert isinstance(result, expected)
        assert len(server.stored) == (expected is Accepted)


async def test_starttls_is_demanded_although_the_server_does_not_offer_it(
    server: SmtpServer, bare_settings: Settings
) -> None:
    settings = use_smtp(bare_settings, server.port, smtp_security="starttls")
    assert isinstance(await SmtpProvider(settings).hand_over(MESSAGE), NotHandedOver)
    assert server.stored == []


async def test_tls_from_the_start(bare_settings: Settings, certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with raw_server(*START, b"250 x\r\n", tls=context) as port:
        settings = use_smtp(
            bare_settings, port, smtp_host="localhost", smtp_security="tls",
            smtp_ca_file=certificate, smtp_timeout_seconds=5.0,
        )  # fmt: skip
        assert isinstance(await SmtpProvider(settings).hand_over(MESSAGE), Accepted)


@asynccontextmanager
async def raw_server(
    *answers: bytes | None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Run a server that gives these answers in order; empty: hang up, None: be silent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for number, answer in enumerate(answers):
                is_content = number == len(START)
                if number:
                    await reader.readuntil(b"\r\n.\r\n" if is_content else b"\r\n")
                if answer is None:
                    await reader.read()
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
