"""A provider for development: it writes messages to a file, or to the standard output."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from events.deliveries import DeliveryChannel
from services.adapters.provider import (
    Accepted,
    Finding,
    HandOverResult,
    LookUp,
    NotHandedOver,
    OutgoingMessage,
)

STANDARD_OUTPUT = Path("-")


class FileProvider:
    """Messages as lines of JSON. Nobody gets them, so they count as simulated."""

    name = "file"
    is_simulated = True

    def __init__(self, channel: DeliveryChannel, path: Path) -> None:
        self.channel, self._path = channel, path

    async def hand_over(self, message: OutgoingMessage) -> HandOverResult:
        """Append the message as one line. A line that cannot be written was not handed over."""
        line = orjson.dumps(_as_json(message), option=orjson.OPT_APPEND_NEWLINE)
        try:
            await asyncio.to_thread(self._write, line)
        except OSError as error:
            return NotHandedOver("file_error", f"the file cannot be written: {error.strerror}")
        return Accepted(None)

    async def look_up(self, message: OutgoingMessage, claimed_at: datetime) -> LookUp:
        """Return whether the file has a line of this message."""
        if self._path == STANDARD_OUTPUT:
            return LookUp(Finding.NOT_KNOWN, detail="the standard output cannot be read again")
        is_there = await asyncio.to_thread(self._contains, str(message.delivery_id).encode())
        return LookUp(Finding.DELIVERED if is_there else Finding.NEVER_RECEIVED)

    async def close(self) -> None:
        """Do nothing: the file is closed after each line."""

    def _write(self, line: bytes) -> None:
        """Write the line with one system call: several processes append to the same file."""
        if self._path == STANDARD_OUTPUT:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            return
        # Messages have personal data: only this user may read the file.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def _contains(self, delivery_id: bytes) -> bool:
        if not self._path.exists():
            return False
        with self._path.open("rb") as lines:
            return any(b'"delivery_id":"' + delivery_id + b'"' in line for line in lines)


def _as_json(message: OutgoingMessage) -> dict[str, Any]:
    return {
        "delivery_id": message.delivery_id,
        "at": datetime.now(UTC),
        "channel": message.channel,
        "class": message.message_class,
        "to": message.recipient,
        "subject": message.subject,
        "body": message.body,
        "sender": message.sender_name,
        "unsubscribe": message.unsubscribe_path,
        "attachments": [attachment.file_name for attachment in message.attachments],
    }
