"""The addresses at which providers report what became of a message."""

from uuid import UUID

PREFIX = "/api/callbacks/{org_id}"
SMS_MESSAGES = PREFIX + "/sms/messages"
SMS_STATUS = PREFIX + "/sms/deliveries/{delivery_id}"


def sms_status_url(public_url: str, org_id: UUID, delivery_id: UUID) -> str:
    """Return the URL at which the SMS provider reports the state of one delivery."""
    path = SMS_STATUS.format(org_id=org_id, delivery_id=delivery_id)
    return public_url.rstrip("/") + path
