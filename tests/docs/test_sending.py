"""The document about sending names every setting of providers, every keyword and every URL."""

from services.adapters.callback_urls import SMS_MESSAGES
from services.deciders.opt_out_words import KEYWORDS
from services.runtime.kafka_settings import KafkaSettings
from services.runtime.provider_settings import ProviderSettings
from tests.checkout import ROOT

TEXT = (ROOT / "docs/sending.md").read_text()


def test_every_setting_of_a_provider_is_named() -> None:
    own = set(ProviderSettings.model_fields) - set(KafkaSettings.model_fields)
    assert len(own) > 10
    assert [name for name in sorted(own) if f"CRM_{name.upper()}" not in TEXT] == []


def test_every_keyword_is_named() -> None:
    words = {keyword.word.upper().replace(" ", "") for keyword in KEYWORDS}
    assert [word for word in sorted(words) if word not in TEXT] == []


def test_the_address_for_incoming_messages_is_the_route() -> None:
    assert SMS_MESSAGES.replace("{org_id}", "ORGANISATION") in TEXT
