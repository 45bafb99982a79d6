"""The provider that posts webhooks, signed as the Standard Webhooks specification says."""

from datetime import UTC, datetime
from uuid import UUID

from standardwebhooks.webhooks import Webhook

from events.deliveries import DeliveryChannel
from services.adapters.http_results import open_client, send_once
from services.adapters.provider import (
    Accepted,
    Finding,
    HandOverResult,
    LookUp,
    NotHandedOver,
    OutgoingMessage,
    Rejected,
)
from services.adapters.web_addresses import ForbiddenAddress, UnresolvedHost, resolve
from services.runtime.provider_settings import ProviderSettings


class WebhookProvider:
    """Webhooks to public addresses, without redirects.

    A receiver recognises a repetition by `webhook-id`, which is derived from the delivery.
    """

    name = "webhook"
    channel = DeliveryChannel.WEBHOOK
    is_simulated = False

    def __init__(self, settings: ProviderSettings) -> None:
        if settings.webhook_secret is None:
            raise ValueError("CRM_WEBHOOK_SECRET is not set")
        self._webhook = Webhook(settings.webhook_secret.get_secret_value())
        self._seconds = settings.webhook_timeout_seconds
        self._allow_loopback = settings.webhook_loopback
        # A proxy of the environment would resolve the name again.
        self._client = open_client(self._seconds, trust_environment=False)

    async def hand_over(self, message: OutgoingMessage) -> HandOverResult:
        """Post the webhook once. Raises `HandOverUnknown`."""
        try:
            address = await resolve(message.recipient, allow_loopback=self._allow_loopback)
        except ForbiddenAddress as error:
            return Rejected("forbidden_address", str(error))
        except UnresolvedHost as error:
            return NotHandedOver("unreachable", str(error))
        sent_at, message_id = datetime.now(UTC), webhook_id(message.delivery_id)
        headers = {
            "Host": address.host_header,
            "Content-Type": "application/json",
            "User-Agent": "leasing-crm",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": self._webhook.sign(message_id, sent_at, message.body),
        }
        request = self._client.build_request(
            "POST", address.url, content=message.body.encode(), headers=headers,
            extensions={"sni_hostname": address.host.strip("[]")},
        )  # fmt: skip
        answer = await send_once(self._client, request, self._seconds)
        if isinstance(answer, NotHandedOver):
            return answer
        if 200 <= answer.status < 300:
            return Accepted(message_id)
        return Rejected(f"http_{answer.status}", f"the receiver answered {answer.status}")

    async def look_up(self, message: OutgoingMessage, claimed_at: datetime) -> LookUp:
        """Return `NOT_KNOWN`: only the receiver can tell, by the id in `webhook-id`."""
        detail = f"search {webhook_id(message.delivery_id)} in the logs of the receiver"
        return LookUp(Finding.NOT_KNOWN, detail=detail)

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()


def webhook_id(delivery_id: UUID) -> str:
    """Return the id that all attempts of one delivery have."""
    return f"msg_{delivery_id.hex}"
