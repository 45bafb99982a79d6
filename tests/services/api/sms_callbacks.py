"""Callbacks as the SMS provider sends them, and an API that expects them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
import httpx2
from pydantic import SecretStr

from services.api.provider_signatures import SMS_SIGNATURE, sign_sms_callback
from services.runtime.settings import Settings
from tests.services.api.site import Site, open_site

PUBLIC_URL = "https://crm.example/core"
TOKEN = SecretStr("the auth token of the provider")
PHONE = "+12125550123"


@asynccontextmanager
async def open_sms_site(
    settings: Settings, pool: asyncpg.Pool, **changes: object
) -> AsyncIterator[Site]:
    """Run an API whose SMS provider is configured."""
    configured = {
        "public_url": PUBLIC_URL, "sms_auth_token": TOKEN, "sms_account": "AC1",
        "sms_sender": "+12025550100",
    } | changes  # fmt: skip
    async with open_site(settings.model_copy(update=configured), pool) as site:
        yield site


async def send_callback(
    site: Site,
    path: str,
    fields: dict[str, str],
    *,
    token: SecretStr = TOKEN,
    signed_url: str | None = None,
    signed_fields: dict[str, str] | None = None,
) -> httpx2.Response:
    """Send a callback with its signature, or with that of another URL or form."""
    form = {"AccountSid": "AC1", **fields}
    signed = form if signed_fields is None else signed_fields
    signature = sign_sms_callback(token, signed_url or PUBLIC_URL + path, signed.items())
    # The proxy in front of the API removes the path of the public address.
    return await site.client.post(
        path, content=urlencode(form),
        headers={
            SMS_SIGNATURE: signature, "Content-Type": "application/x-www-form-urlencoded",
        },
    )  # fmt: skip


async def send_sms(
    site: Site, text: str, sid: str = "SM1", sender: str = PHONE, **more: str
) -> httpx2.Response:
    """Send an SMS of a person, and check that the provider is to answer nothing."""
    path = f"/api/callbacks/{site.world.org_id}/sms/messages"
    fields = {"MessageSid": sid, "From": sender, "To": "+12025550100", "Body": text, **more}
    response = await send_callback(site, path, fields)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/xml")
    assert response.text.endswith("<Response/>")
    return response


async def send_status(site: Site, delivery_id: UUID, status: str, **more: str) -> httpx2.Response:
    """Report the status of a delivery."""
    path = f"/api/callbacks/{site.world.org_id}/sms/deliveries/{delivery_id}"
    return await send_callback(site, path, {"MessageSid": "SM9", "MessageStatus": status, **more})
