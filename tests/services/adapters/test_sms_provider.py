"""The requests of the SMS provider, its error codes, and how an unknown hand-over is looked up."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import orjson
import pytest

from events.deliveries import DeliveryChannel
from services.adapters.provider import (
    OPTED_OUT,
    UNKNOWN_ADDRESS,
    Accepted,
    Finding,
    HandOverUnknown,
    NotHandedOver,
    Rejected,
)
from services.adapters.sms_provider import SmsProvider, code_of
from services.runtime.settings import Settings
from tests.services.adapters.provider_servers import HttpServer, Mode, hours_ago, http_server
from tests.services.adapters.test_provider_contract import make_message, use_sms

MESSAGE = make_message(DeliveryChannel.SMS, "+12025550142")


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with http_server() as running:
        yield running


@pytest.fixture
async def provider(server: HttpServer, bare_settings: Settings) -> AsyncIterator[SmsProvider]:
    opened = SmsProvider(use_sms(bare_settings, server.port))
    yield opened
    await opened.close()


async def test_the_callback_names_the_organisation_and_the_delivery(
    server: HttpServer, provider: SmsProvider
) -> None:
    assert isinstance(await provider.hand_over(MESSAGE), Accepted)
    request = server.requests[0]
    assert request.path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert request.headers["authorization"] == "Basic QUMxOjAxMjM0NTY3ODlhYmNkZWY="
    assert request.form == {
        "To": "+12025550142", "From": "+12025550100", "Body": MESSAGE.body,
        "StatusCallback": f"https://crm.example/api/callbacks/{MESSAGE.org_id}"
        f"/sms/deliveries/{MESSAGE.delivery_id}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "absent", "present"),
    [
        ({"public_url": None}, "StatusCallback", "From"),
        ({"sms_sender": "MG12"}, "From", "MessagingServiceSid"),
    ],
)
async def test_settings_that_change_the_request(
    server: HttpServer,
    bare_settings: Settings,
    changes: dict[str, object],
    absent: str,
    present: str,
) -> None:
    await SmsProvider(use_sms(bare_settings, server.port, **changes)).hand_over(MESSAGE)
    assert absent not in server.requests[0].form
    assert present in server.requests[0].form


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [  # https://www.twilio.com/docs/api/errors
        (400, 21610, OPTED_OUT), (400, 21211, UNKNOWN_ADDRESS), (400, 21614, UNKNOWN_ADDRESS),
        (400, 30003, "twilio_30003"), (400, None, "http_400"), (404, 20404, "twilio_20404"),
        (307, None, "http_307"),
    ],
)  # fmt: skip
async def test_an_error_of_the_message_is_final(
    server: HttpServer, provider: SmsProvider, status: int, code: int | None, expected: str
) -> None:
    server.status = status
    server.body = orjson.dumps({"code": code, "message": "about +12025550142"})
    result = await provider.hand_over(MESSAGE)
    assert isinstance(result, Rejected)
    assert result.code == expected
    assert "+1202" not in result.reason
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_an_error_of_the_account_is_not_the_message_s(
    server: HttpServer, provider: SmsProvider, status: int
) -> None:
    server.status = status
    assert isinstance(await provider.hand_over(MESSAGE), NotHandedOver)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("17", 17.0), ("soon", None), ("9" * 400, None), ("-1", None), ("٣", None)],
)
async def test_a_busy_provider_says_when_to_come_again(
    server: HttpServer, provider: SmsProvider, header: str, seconds: float | None
) -> None:
    server.mode = Mode.BUSY
    server.extra_headers = f"Retry-After: {header}\r\n" if header.isascii() else ""
    result = await provider.hand_over(MESSAGE)
    assert isinstance(result, NotHandedOver)
    assert result.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"sid": 1}', b'{"sid": ""}', b"\xff" * 400_000]
)
async def test_a_success_that_is_not_the_api_s_is_unknown(
    server: HttpServer, provider: SmsProvider, body: bytes
) -> None:
    server.status, server.body = 200, body
    with pytest.raises(HandOverUnknown):
        await provider.hand_over(MESSAGE)


async def test_a_message_that_failed_at_once_is_refused(
    server: HttpServer, provider: SmsProvider
) -> None:
    server.status = 201
    server.body = orjson.dumps({"sid": "SM1", "status": "failed", "error_code": 21610})
    assert await provider.hand_over(MESSAGE) == Rejected(
        OPTED_OUT, "the provider answered 201 with error 21610"
    )


@pytest.mark.parametrize("mode", [Mode.DROP, Mode.LATE, Mode.FAIL_AFTER_STORING])
@pytest.mark.parametrize(
    ("status", "finding"),
    [
        ("delivered", Finding.DELIVERED), ("sent", Finding.DELIVERED),
        ("queued", Finding.DELIVERED), ("undelivered", Finding.FAILED),
        ("failed", Finding.FAILED), ("strange", Finding.NOT_KNOWN),
    ],
)  # fmt: skip
async def test_a_message_without_an_answer_is_found_in_the_list(
    server: HttpServer, provider: SmsProvider, mode: Mode, status: str, finding: Finding
) -> None:
    server.mode = mode
    with pytest.raises(HandOverUnknown):
        await provider.hand_over(MESSAGE)
    server.stored[0]["status"] = status
    found = await provider.look_up(MESSAGE, datetime.now(UTC))
    assert (found.finding, found.external_id) == (finding, server.stored[0]["sid"])
    assert server.posted == 1
    query = server.requests[-1].path.partition("?")[2]
    assert "To=%2B12025550142" in query
    assert "DateSent%3E=" in query


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "+12025550143"}, {"body": "another text"}, {"direction": "inbound"},
        {"date_created": "Sat, 01 Jan 2000 00:00:00 +0000"}, {"date_created": "yesterday"},
    ],
)  # fmt: skip
async def test_another_message_is_not_mistaken_for_it(
    server: HttpServer, provider: SmsProvider, changes: dict[str, object]
) -> None:
    await provider.hand_over(MESSAGE)
    server.stored[0].update(changes)
    found = await provider.look_up(MESSAGE, datetime.now(UTC))
    assert found.finding is Finding.NOT_KNOWN


async def test_two_messages_with_one_text_cannot_be_distinguished(
    server: HttpServer, provider: SmsProvider
) -> None:
    await provider.hand_over(MESSAGE)
    await provider.hand_over(replace(MESSAGE, delivery_id=uuid4()))
    found = await provider.look_up(MESSAGE, datetime.now(UTC))
    assert found.finding is Finding.NOT_KNOWN


@pytest.mark.parametrize(
    ("minutes", "finding"), [(14, Finding.NOT_KNOWN), (16, Finding.NEVER_RECEIVED)]
)
async def test_a_message_counts_as_never_received_only_after_some_time(
    server: HttpServer, provider: SmsProvider, minutes: int, finding: Finding
) -> None:
    """The first request may still be on its way to the provider's list."""
    claimed_at = datetime.now(UTC)
    server.date = claimed_at + timedelta(minutes=minutes)
    assert (await provider.look_up(MESSAGE, claimed_at)).finding is finding


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (401, b"{}"), (200, b"{}"), (200, b'{"messages": {}}')]
)
async def test_a_provider_that_cannot_answer_the_question_proves_nothing(
    bare_settings: Settings, status: int, body: bytes
) -> None:
    async with http_server() as other:
        other.answer_to_get = (status, body)
        other_provider = SmsProvider(use_sms(bare_settings, other.port))
        found = await other_provider.look_up(MESSAGE, hours_ago(5))
        assert found.finding is Finding.NOT_KNOWN


@pytest.mark.parametrize(("code", "expected"), [(None, None), ("x", None), ("21610", OPTED_OUT)])
def test_error_codes(code: object, expected: str | None) -> None:
    assert code_of(code) == expected
