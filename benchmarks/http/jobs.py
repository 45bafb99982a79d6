"""The jobs of the HTTP measurement: the requests that both servers get, in the same order."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import jwt

from services.api.schemas.engagements import RECORDABLE_TYPES

READS = ("score", "list", "timeline")
WRITES = ("event", "chat")
JOBS = (*READS, *WRITES)
TURNS_PER_SESSION = 8
"""Chat turns of one session; then the visitor's browser starts another one."""
_NAMESPACE = UUID("4f6d4a62-9c1c-5b8e-8a53-6a1f0f1f7d10")


@dataclass(frozen=True)
class Target:
    """The ids that the requests name, the key of the widget, and the secret of the tokens."""

    property_id: UUID
    member: UUID
    leads: tuple[UUID, ...]
    widget_key: str
    secret: str


def make_requests(
    job: str, target: Target, connections: int, requests: int, part: str
) -> list[list[bytes]]:
    """Return the bytes of each connection's requests. Another `part` makes other new ids."""
    bearer = f"Authorization: Bearer {make_token(target)}\r\n"
    made: list[list[bytes]] = [[] for _ in range(connections)]
    for number in range(requests):
        connection = number % connections
        lead = target.leads[number % len(target.leads)]
        match job:
            case "score":
                request = _get(f"/api/leadpulse/score?leadId={lead}", bearer)
            case "list":
                request = _get(f"/api/leads?propertyId={target.property_id}", bearer)
            case "timeline":
                request = _get(f"/api/leads/{lead}/timeline", bearer)
            case "event":
                kind = RECORDABLE_TYPES[number % len(RECORDABLE_TYPES)]
                body = {"leadId": str(lead), "eventType": kind, "metadata": {"part": part}}
                request = _post("/api/leadpulse/events", bearer, body)
            case _:
                session = f"{part}/{connection}/{number // connections // TURNS_PER_SESSION}"
                headers = f"X-API-Key: {target.widget_key}\r\nX-Visitor-ID: {session}\r\n"
                turn = {"message": f"Is it quiet? ({number})"}
                turn["sessionId"] = str(uuid5(_NAMESPACE, session))
                request = _post("/api/lumaleasing/chat", headers, turn)
        made[connection].append(request)
    return made


def make_token(target: Target) -> str:
    """Return a bearer token of the member, as the identity provider issues it."""
    claims = {
        "sub": str(target.member), "aud": "authenticated", "role": "authenticated",
        "email": "agent@example.com", "exp": datetime.now(UTC) + timedelta(hours=6),
    }  # fmt: skip
    return jwt.encode(claims, target.secret, algorithm="HS256")


def _get(path: str, headers: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n".encode()


def _post(path: str, headers: str, body: object) -> bytes:
    content = json.dumps(body)
    length = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: bench\r\n{headers}{length}\r\n{content}".encode()
