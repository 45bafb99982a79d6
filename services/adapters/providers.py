"""The providers that the settings choose, one for each channel."""

from collections.abc import Mapping

from events.deliveries import DeliveryChannel
from services.adapters.file_provider import FileProvider
from services.adapters.provider import Provider
from services.adapters.simulated_provider import SimulatedProvider
from services.adapters.sms_provider import SmsProvider
from services.adapters.smtp_provider import SmtpProvider
from services.adapters.webhook_provider import WebhookProvider
from services.runtime.provider_settings import ProviderSettings


def open_providers(settings: ProviderSettings) -> Mapping[DeliveryChannel, Provider]:
    """Return a provider of each channel. Close each of them afterwards.

    A channel without a provider of its own writes to the message file. Without that file, it is
    simulated.
    """
    configured: dict[DeliveryChannel, Provider] = {}
    if settings.smtp_host is not None:
        configured[DeliveryChannel.EMAIL] = SmtpProvider(settings)
    if settings.sms_account is not None:
        configured[DeliveryChannel.SMS] = SmsProvider(settings)
    if settings.webhook_secret is not None:
        configured[DeliveryChannel.WEBHOOK] = WebhookProvider(settings)
    return {
        channel: configured.get(channel) or _replacement(channel, settings)
        for channel in DeliveryChannel
    }


def _replacement(channel: DeliveryChannel, settings: ProviderSettings) -> Provider:
    if settings.message_file is not None:
        return FileProvider(channel, settings.message_file)
    return SimulatedProvider(channel)
