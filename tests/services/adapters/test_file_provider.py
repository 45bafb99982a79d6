"""Messages in a file or on the standard output, for development."""

import json
from pathlib import Path

import pytest

from events.deliveries import DeliveryChannel
from services.adapters.provider import Accepted, Finding
from services.adapters.providers import open_providers
from services.runtime.settings import Settings
from tests.services.adapters.provider_servers import hours_ago
from tests.services.adapters.test_provider_contract import make_message

MESSAGE = make_message(DeliveryChannel.SMS, "+12025550142")


async def test_a_line_has_the_message_and_only_this_user_reads_it(
    bare_settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "messages"
    settings = bare_settings.model_copy(update={"message_file": path})
    provider = open_providers(settings)[DeliveryChannel.SMS]
    assert await provider.hand_over(MESSAGE) == Accepted(None)
    line = json.loads(path.read_text())
    assert (line["delivery_id"], line["to"]) == (str(MESSAGE.delivery_id), MESSAGE.recipient)
    assert line["body"] == MESSAGE.body
    assert path.stat().st_mode & 0o077 == 0
    found = await provider.look_up(MESSAGE, hours_ago(1))
    assert found.finding is Finding.DELIVERED


async def test_the_standard_output_shows_messages(
    bare_settings: Settings, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    settings = bare_settings.model_copy(update={"message_file": Path("-")})
    provider = open_providers(settings)[DeliveryChannel.EMAIL]
    message = make_message(DeliveryChannel.EMAIL, "ada@lovelace.example")
    assert await provider.hand_over(message) == Accepted(None)
    assert json.loads(capsysbinary.readouterr().out)["to"] == "ada@lovelace.example"
    found = await provider.look_up(message, hours_ago(1))
    assert found.finding is Finding.NOT_KNOWN
