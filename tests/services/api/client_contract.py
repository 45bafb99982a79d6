"""Requests of existing clients, and the response fields that these clients read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.services.api.site import Site

Json = dict[str, Any]
STRING, NUMBER, FLAG, ID, INSTANT, ANY = "text", "number", "flag", "id", "instant", "any"
"""The type of a field. With a `?` after it, the field may also be null."""

SCORE = {
    "id": ID, "leadId": ID, "totalScore": NUMBER, "engagementScore": NUMBER,
    "timingScore": NUMBER, "sourceScore": NUMBER, "completenessScore": NUMBER,
    "behaviorScore": NUMBER, "scoreBucket": STRING, "scoredAt": INSTANT, "modelVersion": STRING,
    "factors": [{"factor": STRING, "impact": STRING, "type": STRING}],
}  # fmt: skip
LEAD_ROW = {
    "id": ID, "property_id": ID, "source": "text?", "first_name": "text?", "last_name": "text?",
    "email": "text?", "phone": "text?", "status": STRING, "created_at": INSTANT,
    "updated_at": INSTANT, "last_contacted_at": "instant?", "move_in_date": "text?",
    "bedrooms": "text?", "notes": "text?",
}  # fmt: skip
TOUR_ROW = {
    "id": ID, "lead_id": ID, "property_id": ID, "tour_date": STRING, "tour_time": STRING,
    "tour_type": STRING, "status": STRING, "notes": "text?", "assigned_agent_id": "id?",
    "created_at": INSTANT, "updated_at": INSTANT,
}  # fmt: skip
TOUR_LEAD = {"id": ID, "first_name": "text?", "last_name": "text?", "email": "text?",
             "phone": "text?", "property_id": ID}  # fmt: skip
PROBLEM = {"error": STRING, "code": STRING, "status": NUMBER, "title": STRING, "detail": STRING}
CHAT_TURN = {
    "content": "text?", "sessionId": ID, "conversationId": ID, "shouldPromptLeadCapture": FLAG,
    "leadCapturePrompt": "text?", "wantsTour": FLAG, "isHumanMode": FLAG, "waitingForHuman": FLAG,
}  # fmt: skip


def check_fields(value: Any, fields: Any, path: str = "response") -> None:
    """Fail if a field that clients read is missing or has another type."""
    if isinstance(fields, Mapping):
        assert isinstance(value, dict), f"{path} is not an object: {value!r}"
        for name, field_type in fields.items():
            assert name in value, f"{path}.{name} is missing: {sorted(value)}"
            check_fields(value[name], field_type, f"{path}.{name}")
    elif isinstance(fields, list):
        assert isinstance(value, list), f"{path} is not a list: {value!r}"
        for item in value:
            check_fields(item, fields[0], f"{path}[]")
    elif not (fields.endswith("?") and value is None):
        assert _has_type(value, fields.removesuffix("?")), (
            f"{path} is not of type {fields}: {value!r}"
        )


def _has_type(value: Any, type_name: str) -> bool:
    match type_name:
        case "id":
            return isinstance(value, str) and str(UUID(value)) == value
        case "instant":
            return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "flag":
            return isinstance(value, bool)
        case "text":
            return isinstance(value, str)
        case _:
            return True


async def send(
    site: Site, method: str, path: str, status: int, fields: Any, *,
    headers: dict[str, str], json: Any = None, params: Any = None,
) -> Json:  # fmt: skip
    response = await site.client.request(method, path, json=json, params=params, headers=headers)
    assert response.status_code == status, (method, path, response.status_code, response.text)
    body: Json = response.json()
    check_fields(body, fields, f"{method} {path}")
    await site.project()
    return body
