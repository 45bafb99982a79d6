"""The content of an e-mail: headers, a text part, an HTML part and attachments, as bytes."""

import html
import re
from datetime import UTC, datetime
from email import policy
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from uuid import UUID

from events.deliveries import MessageClass
from services.adapters.provider import OutgoingMessage
from services.deciders.host_names import encode_host

_ADDRESS_IN_TEXT = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MESSAGE_ID = re.compile(r"<?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@")


def build_email(
    message: OutgoingMessage, sender: str, sent_at: datetime, public_url: str | None
) -> EmailMessage:
    """Return the e-mail of a message. `sender` is the address that it comes from.

    A marketing message has a link to unsubscribe, and headers with which a mail program does so
    with one click (RFC 8058). Every value is escaped in the HTML part.
    """
    email = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit", utf8=needs_utf8(message)))
    email["From"] = Address(_on_one_line(message.sender_name), addr_spec=sender)
    email["To"] = encode_recipient(message.recipient)
    email["Subject"] = _on_one_line(message.subject or "")
    email["Date"] = format_datetime(sent_at.astimezone(UTC))
    email["Message-ID"] = message_id(message.delivery_id, sender)
    link = _unsubscribe_link(message, public_url)
    if link is not None:
        email["List-Unsubscribe"] = f"<{link}>"
        email["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    email.set_content(_text_part(message, link))
    email.add_alternative(_html_part(message, link), subtype="html")
    for attachment in message.attachments:
        kind, _, parameters = attachment.content_type.partition(";")
        main, _, sub = kind.strip().partition("/")
        pairs = (item.strip().partition("=") for item in parameters.split(";") if item.strip())
        email.add_attachment(
            attachment.content, maintype=main, subtype=sub, filename=attachment.file_name,
            params={name: value.strip('"') for name, _, value in pairs},
        )  # fmt: skip
    return email


def message_id(delivery_id: UUID, sender: str) -> str:
    """Return the Message-ID of a delivery: the same in every attempt."""
    return f"<{delivery_id}@{encode_host(sender.rpartition('@')[2])}>"


def parse_message_id(text: str) -> UUID | None:
    """Return the delivery of a Message-ID; None if it is not one of ours."""
    match = _MESSAGE_ID.search(text.lower())
    return UUID(match[1]) if match else None


def encode_recipient(address: str) -> str:
    """Return an address with its domain in ASCII. Raises `ValueError` for a malformed one."""
    local, _, domain = address.rpartition("@")
    encoded = f"{local}@{encode_host(domain)}"
    try:
        # The check of the library knows ASCII only: "x" stands for each other character.
        Address(addr_spec="".join(char if char.isascii() else "x" for char in encoded))
    except (ValueError, IndexError, HeaderParseError) as error:
        raise ValueError("the recipient is not an e-mail address") from error
    if _UNPRINTABLE.search(local):
        raise ValueError("the recipient contains a character that cannot be printed")
    return encoded


def needs_utf8(message: OutgoingMessage) -> bool:
    """Return whether the server must support SMTPUTF8: the mailbox is not written in ASCII."""
    return not message.recipient.rpartition("@")[0].isascii()


def _unsubscribe_link(message: OutgoingMessage, public_url: str | None) -> str | None:
    is_marketing = message.message_class is MessageClass.MARKETING
    if not is_marketing or public_url is None or message.unsubscribe_path is None:
        return None
    return public_url.rstrip("/") + message.unsubscribe_path


def _text_part(message: OutgoingMessage, link: str | None) -> str:
    footer = [line for line in _footer(message) if line]
    if link is not None:
        footer.append(f"Unsubscribe: {link}")
    lines = [message.body.rstrip(), "", "-- ", *footer] if footer else [message.body.rstrip()]
    return "\n".join(lines) + "\n"


def _html_part(message: OutgoingMessage, link: str | None) -> str:
    paragraphs = "\n".join(
        f"<p>{_escape_with_links(paragraph)}</p>"
        for paragraph in _PARAGRAPH.split(message.body.strip())
    )
    footer = [html.escape(line) for line in _footer(message) if line]
    if link is not None:
        footer.append(f'<a href="{html.escape(link)}">Unsubscribe</a>')
    small = f'\n<p style="color:#666;font-size:12px">{"<br>".join(footer)}</p>' if footer else ""
    title = html.escape(_on_one_line(message.subject or ""))
    return (
        f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n{paragraphs}{small}\n</body></html>\n"
    )


def _footer(message: OutgoingMessage) -> tuple[str, str]:
    return _on_one_line(message.sender_name), _on_one_line(message.postal_address or "")


def _escape_with_links(text: str) -> str:
    """Return text as HTML: everything escaped, and each web address as a link."""
    parts, at = [], 0
    for match in _ADDRESS_IN_TEXT.finditer(text):
        address = html.escape(match[0])
        parts += [html.escape(text[at : match.start()]), f'<a href="{address}">{address}</a>']
        at = match.end()
    parts.append(html.escape(text[at:]))
    return "".join(parts).replace("\n", "<br>\n")


def _on_one_line(text: str) -> str:
    """Return text for a header: a line break would begin another header."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())
