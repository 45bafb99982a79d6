"""Unusual values and bodies, and a check that the API handles them without a server error."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2

from tests.services.api.site import NEXT_MONTH, Site
from tests.services.api.tour_requests import make_slot
from tests.services.api.workflow_requests import create_definition, enroll_run

UNUSUAL_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, 2**63, 10**30, "", " ", "\x00", "a\x00b", "💥", "\u202e",
    "'; --",
    "x" * 400, "x" * 30_000, [], {}, [[]], [None], {"a": {"b": {}}}, "null", "NaN", "0",
    "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "9999-12-31", "0000-00-00", "2027-02-30", "24:00", "14:00:00+02:00", "2027-06-01T10:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "test@test", "a@b", "a@" + "b" * 300 + ".com", "٠١٢٣", "+999999999999999", "🏠@x.com",
    "true", "email_opened", "completed", {"\x00": 1}, {"a": "\x00"}, [{"role": "user"}],
    {"a": 10**30, "b": [1e308]},
    [{"role": "user", "content": {}}], [{"role": 1, "content": "x"}],
)  # fmt: skip
UNUSUAL_BODIES: tuple[bytes, ...] = (
    b"", b"{", b"nul", b"\xff\xfe", b'"\xed\xa0\x80"', b'{"message": "\\ud800"}', b'{"a": NaN}',
    b"[" * 5_000, b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"\x00", b"[]", b"1", b'"x"', b"null",
    b'{"message": "\\u0000"}', bytes(range(256)), b'{"message": 1e999}',
    b'{"a": ' + b"9" * 5_000 + b"}",
    *(b'{"a":' * deep + b"1" + b"}" * deep for deep in (253, 300, 1_000)),
    b'{"leadId": "\\udfff"}', b"<xml/>", b'{"message": "x", "message": 3}',
    b'{"eventType":"email_opened","metadata":{"x":"\\ud800"}}',
)  # fmt: skip
WRITE_FIELDS = {
    ("POST", "/api/lumaleasing/chat"): (
        "messages", "message", "sessionId", "conversationId", "messageId", "leadInfo",
    ),
    ("POST", "/api/lumaleasing/lead"): (
        "sessionId", "conversationId", "firstName", "email", "phone", "moveInDate",
        "bedroomPreference", "notes", "leadInfo",
    ),
    ("POST", "/api/lumaleasing/tours"): (
        "slotId", "tourDate", "tourTime", "fold", "tourType", "specialRequests", "sessionId",
        "conversationId", "firstName", "email", "phone", "leadInfo",
    ),
    ("POST", "/api/lumaleasing/tours/hold"): ("slotId", "sessionId"),
    ("POST", "/api/leads"): (
        "propertyId", "firstName", "lastName", "email", "phone", "source", "moveInDate",
        "bedrooms", "notes",
    ),
    ("PATCH", "/api/leads"): (
        "leadId", "status", "firstName", "lastName", "email", "phone", "source", "moveInDate",
        "bedrooms", "notes",
    ),
    ("POST", "/api/leads/{lead}/activities"): ("type", "description", "metadata"),
    ("POST", "/api/leads/{lead}/tours"): (
        "tourDate", "tourTime", "tourType", "notes", "sendConfirmation", "assignedAgentId", "fold",
    ),
    ("PATCH", "/api/leads/{lead}/tours"): (
        "tourId", "status", "tourDate", "tourTime", "tourType", "notes", "assignedAgentId",
        "sendNotification",
    ),
    ("PATCH", "/api/leads/{lead}/workflow"): ("action", "runId", "reason"),
    ("POST", "/api/leads/{lead}/send-message"): (
        "channel", "message", "templateSlug", "subject",
    ),
    ("POST", "/api/workflows/definitions"): (
        "propertyId", "name", "description", "triggerOn", "steps", "exitConditions",
    ),
    ("POST", "/api/workflows/templates"): (
        "propertyId", "slug", "name", "channel", "subject", "body", "isActive",
    ),
    ("POST", "/api/workflows/seed-defaults"): ("propertyId",),
    ("POST", "/api/leads/{lead}/merge"): ("intoLeadId", "reason"),
    ("POST", "/api/leads/{lead}/unmerge"): ("reason",),
    ("POST", "/api/leadpulse/events"): ("leadId", "eventType", "metadata"),
    ("POST", "/api/leadpulse/score"): ("leadId", "leadIds", "propertyId"),
    ("PUT", "/api/lumaleasing/admin/config"): ("propertyId", "config"),
    ("PATCH", "/api/lumaleasing/admin/closed-days"): ("propertyId", "kind", "add", "remove"),
    ("POST", "/api/lumaleasing/admin/regenerate-key"): ("propertyId", "overlapHours"),
}  # fmt: skip
READ_PARAMETERS = (
    (
        "/api/leads",
        (
            "propertyId",
            "status",
            "source",
            "search",
            "sortBy",
            "sortOrder",
            "page",
            "limit",
        ),
    ),
    ("/api/leadpulse/insights", ("propertyId", "days")),
    ("/api/lumaleasing/chat", ("sessionId", "after")),
    ("/api/lumaleasing/tours", ("startDate", "endDate", "after_token")),
    ("/api/leads/{lead}/tours", ("x",)),
    ("/api/leads/{lead}/activities", ("after_token",)),
    ("/api/leads/{lead}/timeline", ("cursor", "limit", "after_token")),
    ("/api/leads/{lead}/workflow", ("after_token",)),
    ("/api/workflows/definitions", ("propertyId",)),
    ("/api/workflows/templates", ("propertyId",)),
    ("/api/leadpulse/events", ("leadId", "limit")),
    ("/api/leadpulse/score", ("leadId",)),
    ("/api/lumaleasing/config", ("after_token",)),
    ("/api/lumaleasing/admin/config", ("propertyId",)),
)


def check_handled(response: httpx2.Response, context: object = None) -> None:
    """Fail if a response is a server error, or a refusal that is not a problem document."""
    assert response.status_code < 500, (context, response.text)
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json", context
        body = response.json()
        assert body["status"] == response.status_code
        assert re.fullmatch("[a-z_]+", body["code"]), context
        assert isinstance(body["error"], str), context
        assert body["error"] != "", context


def headers_for(site: Site, path: str) -> dict[str, str]:
    """Return the headers of a caller who may use a path."""
    if "/admin/" in path:
        return site.console_headers(site.admin)
    return site.widget_headers() if "lumaleasing" in path else site.console_headers()


async def make_valid_bodies(site: Site, lead: object, tour: object) -> dict[tuple[str, str], Any]:
    """Return a valid body for every route that writes, by method and path."""
    first_day, second_day, third_day = (NEXT_MONTH + timedelta(days=later) for later in (1, 2, 3))
    slot = make_slot(site.property_id, "10:00", third_day)
    definition = await create_definition(site)
    await enroll_run(site, UUID(str(lead)), definition["id"])
    return {
        ("POST", "/api/lumaleasing/chat"): {"message": "hello"},
        ("POST", "/api/lumaleasing/lead"): {"email": "ada@example.com"},
        ("POST", "/api/lumaleasing/tours"): {
            "tourDate": second_day.isoformat(),
            "tourTime": "10:00",
            "email": "ada@example.com",
        },
        ("POST", "/api/lumaleasing/tours/hold"): {"slotId": str(slot.id)},
        ("POST", "/api/leads"): {"propertyId": str(site.property_id), "firstName": "Ada"},
        ("PATCH", "/api/leads"): {"leadId": str(lead), "notes": "called"},
        ("POST", "/api/leads/{lead}/activities"): {"type": "note", "description": "called"},
        ("POST", "/api/leads/{lead}/tours"): {
            "tourDate": first_day.isoformat(),
            "tourTime": "10:00",
        },
        ("PATCH", "/api/leads/{lead}/tours"): {"tourId": tour},
        ("PATCH", "/api/leads/{lead}/workflow"): {"action": "pause"},
        ("POST", "/api/leads/{lead}/send-message"): {"channel": "email", "message": "Hi"},
        ("POST", "/api/workflows/definitions"): {
            "propertyId": str(site.property_id),
            "name": "x",
            "triggerOn": "lead_created",
            "steps": [{"id": "x", "delayHours": 1, "action": "wait"}],
        },
        ("POST", "/api/workflows/templates"): {
            "propertyId": str(site.property_id),
            "slug": "x",
            "name": "x",
            "channel": "sms",
            "body": "Hi",
        },
        ("POST", "/api/workflows/seed-defaults"): {"propertyId": str(site.property_id)},
        ("POST", "/api/leads/{lead}/merge"): {"intoLeadId": str(await site.create_lead())},
        ("POST", "/api/leads/{lead}/unmerge"): {},
        ("POST", "/api/leadpulse/events"): {"leadId": str(lead), "eventType": "email_opened"},
        ("POST", "/api/leadpulse/score"): {"leadId": str(lead)},
        ("PUT", "/api/lumaleasing/admin/config"): {
            "propertyId": str(site.property_id),
            "config": {"widgetName": "Luma"},
        },
        ("PATCH", "/api/lumaleasing/admin/closed-days"): {
            "propertyId": str(site.property_id),
            "kind": "holiday",
            "add": ["2036-12-27"],
        },
        ("POST", "/api/lumaleasing/admin/regenerate-key"): {"propertyId": str(site.property_id)},
    }
