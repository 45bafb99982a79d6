"""The signatures of the callbacks of providers."""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from pydantic import SecretStr

SMS_SIGNATURE = "X-Twilio-Signature"


def sign_sms_callback(token: SecretStr, url: str, form: Iterable[tuple[str, str]]) -> str:
    """Return the signature of a callback of the SMS provider.

    It covers the complete URL and all fields of the form, by
    https://www.twilio.com/docs/usage/security (the algorithm prescribes SHA-1).
    """
    fields = "".join(f"{name}{value}" for name, value in sorted(set(form)))
    content = (url + fields).encode()
    digest = hmac.new(token.get_secret_value().encode(), content, hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def is_signed_sms_callback(
    signature: str, token: SecretStr, url: str, form: Iterable[tuple[str, str]]
) -> bool:
    """Return whether the holder of the auth token made the signature for this URL and form."""
    expected = sign_sms_callback(token, url, form)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
