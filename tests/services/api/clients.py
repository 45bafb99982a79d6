"""Asking as an existing client does: the fields it reads are there and hold what it expects."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.services.api.conftest import Site

Json = dict[str, Any]
STRING, NUMBER, FLAG, ID, INSTANT, ANY = "text", "number", "flag", "id", "instant", "any"
"""What a field holds; a `?` after it: or null."""

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
TURN = {
    "content": "text?", "sessionId": ID, "conversationId": ID, "shouldPromptLeadCapture": FLAG,
    "leadCapturePrompt": "text?", "wantsTour": FLAG, "isHumanMode": FLAG, "waitingForHuman": FLAG,
}  # fmt: skip


def demand(found: Any, wanted: Any, at: str = "answer") -> None:
    """Every field that clients read is there and holds what they expect."""
    if isinstance(wanted, Mapping):
        assert isinstance(found, dict), f"{at} is no object: {found!r}"
        for name, inner in wanted.items():
            assert name in found, f"{at}.{name} is missing: {sorted(found)}"
            demand(found[name], inner, f"{at}.{name}")
    elif isinstance(wanted, list):
        assert isinstance(found, list), f"{at} is no list: {found!r}"
        for one in found:
            demand(one, wanted[0], f"{at}[]")
    elif not (wanted.endswith("?") and found is None):
        assert _is(found, wanted.removesuffix("?")), f"{at} is no {wanted}: {found!r}"


def _is(found: Any, kind: str) -> bool:
    match kind:
        case "id":
            return isinstance(found, str) and str(UUID(found)) == found
        case "instant":
            return isinstance(found, str) and datetime.fromisoformat(found).tzinfo is not None
        case "number":
            return isinstance(found, int | float) and not isinstance(found, bool)
        case "flag":
            return isinstance(found, bool)
        case "text":
            return isinstance(found, str)
        case _:
            return True


async def ask(
    site: Site, method: str, path: str, status: int, wanted: Any, *,
    headers: dict[str, str], json: Any = None, params: Any = None,
) -> Json:  # fmt: skip
    answer = await site.client.request(method, path, json=json, params=params, headers=headers)
    assert answer.status_code == status, (method, path, answer.status_code, answer.text)
    found: Json = answer.json()
    demand(found, wanted, f"{method} {path}")
    await site.project()
    return found
