"""The error codes of every route, as status → codes, for the OpenAPI document.

The codes of a dependency are listed here once. Each route names the groups of its own codes.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from services.api.auth.api_clients import authenticate_event_reader
from services.api.auth.console_authentication import (
    authenticate_console_user,
    require_admin,
    require_writer,
)
from services.api.auth.widget_authentication import (
    authenticate_page_visitor,
    authenticate_stream_visitor,
    authenticate_visitor,
)
from services.api.change_reasons import check_reason
from services.api.consistency import wait_for_token
from services.api.idempotency import check_idempotency_key

Codes: TypeAlias = Mapping[int, tuple[str, ...]]
"""Status → the codes that problem documents with this status can have."""

EVERYWHERE: Codes = {500: ("internal",), 503: ("unavailable", "overloaded")}
PARAMETERS: Codes = {400: ("invalid",)}
BODY: Codes = {
    400: ("invalid", "malformed_json", "too_many_keys", "disconnected"),
    413: ("body_too_large",),
    415: ("unsupported_media_type",),
}
_WIDGET: Codes = {
    400: ("invalid_visitor",),
    401: ("no_key",),
    403: ("origin_not_allowed", "widget_inactive"),
    429: ("rate_limited",),
}
_WIDGET_KEY_REQUIRED: Codes = {**_WIDGET, 401: ("no_key", "bad_key")}
BY_DEPENDENCY: Mapping[Callable[..., Any], Codes] = {
    authenticate_visitor: _WIDGET_KEY_REQUIRED,
    authenticate_stream_visitor: {**_WIDGET, 401: ("no_key", "bad_key", "bad_ticket")},
    authenticate_page_visitor: {**_WIDGET, 404: ("not_found",)},
    authenticate_event_reader: {
        401: ("no_key", "bad_key", "revoked_key", "expired_key"),
        403: ("missing_scope",),
        429: ("rate_limited",),
    },
    authenticate_console_user: {401: ("unauthenticated",)},
    require_writer: {403: ("forbidden",)},
    require_admin: {403: ("forbidden",)},
    check_reason: {400: ("invalid_reason",)},
    wait_for_token: {
        400: ("malformed_token", "token_of_another_generation"),
        503: ("not_there_yet",),
    },
    check_idempotency_key: {
        400: ("invalid_idempotency_key", "invalid", "limit_exceeded"),
        409: ("conflict", "claim_taken", "lead_erased"),
        410: ("result_erased",),
        422: ("idempotency_key_reused", "id_reused"),
        503: ("unfit_tables",),
    },
}

NOT_FOUND: Codes = {404: ("not_found",)}
CHAT: Codes = {400: ("empty_message",)}
MESSAGE_CURSOR: Codes = {400: ("invalid_after", "unknown_message")}
CONTACT: Codes = {
    400: ("invalid_email", "invalid_phone", "invalid_name", "invalid_date"),
    409: ("known_lead",),
}
NO_CONTACT: Codes = {400: ("no_contact",)}
CURSOR: Codes = {400: ("malformed_cursor",)}
STAFF: Codes = {400: ("unknown_profile",)}
TOUR_TIME: Codes = {
    400: ("tour_in_past", "invalid_date"),
    409: ("no_time_zone",),
    422: ("no_such_time", "unknown_zone"),
}
SLOT_CAPACITY: Codes = {
    400: ("invalid_duration",),
    409: ("slot_full", "slot_closed", "agent_busy"),
}
HOLD_LIMIT: Codes = {409: ("too_many_holds",)}
TOUR_LIMIT: Codes = {409: ("too_many_tours",)}
TOURS_ENABLED: Codes = {404: ("tours_off",)}
SLOT: Codes = {400: ("no_slot", "tour_in_past"), 404: ("not_found",)}
NO_EMAIL: Codes = {400: ("no_email",)}
NO_VISITOR: Codes = {400: ("no_visitor",)}
SUBJECT: Codes = {404: ("not_found", "unknown_subject"), 409: ("lead_erased",)}
NOT_ERASED: Codes = {409: ("not_erased",)}
TOUR: Codes = {404: ("not_this_lead",), 409: ("tour_state", "tour_in_future")}
ACTIVITY: Codes = {400: ("unknown_activity_type", "derived_activity_type")}
LEASED: Codes = {409: ("leased",)}
MERGE: Codes = {409: ("same_lead", "already_merged")}
UNMERGE: Codes = {409: ("not_merged",)}
CONVERSATION: Codes = {404: ("not_found",), 409: ("taken_over",)}
RELEASE: Codes = {404: ("not_found",), 403: ("not_in_charge",)}
AGENT_MESSAGE: Codes = {
    400: ("empty_message", "no_recipient", "message_too_long"),
    404: ("not_found",),
    409: ("not_taken_over", "no_consent", "restricted"),
}
STREAM: Codes = {503: ("too_many_streams",)}
RANGE: Codes = {400: ("invalid_range",)}
CLOSED_DAYS: Codes = {409: ("too_many_days",)}
LEAD_ZONE: Codes = {422: ("unknown_zone",)}
TIME_ZONE: Codes = {409: ("no_time_zone",), 422: ("unknown_zone",)}
ENGAGEMENT: Codes = {400: ("unknown_event_type", "derived_event_type")}

SHOWN_KEY: Codes = {409: ("key_not_shown_again",)}
API_KEY: Codes = {400: ("expiry_in_past",), 404: ("not_found",)}
CLEAR_EVENTS: Codes = {503: ("data_key_missing",)}
VERSION: Codes = {409: ("stale_version",)}
DEFINITION: Codes = {400: ("invalid_definition",), 409: ("template_not_ready",)}
VARIABLES: Codes = {400: ("unknown_variable", "malformed_variable")}
TEMPLATE: Codes = {400: ("invalid_template", *VARIABLES[400])}
SLUG: Codes = {409: ("slug_taken",)}
STEP: Codes = {400: ("unknown_step",)}
ENROLMENT: Codes = {
    404: ("not_found",),
    409: ("definition_inactive", "exit_status", "restricted", "run_live"),
}
UNKNOWN_VERSION: Codes = {404: ("unknown_version",)}
TASK: Codes = {400: ("invalid_task", "unknown_profile"), 409: ("task_done",)}
RUN: Codes = {404: ("not_this_lead", "no_live_run"), 409: ("run_state",)}
DELIVERY: Codes = {409: ("delivery_state",)}
TEMPLATE_TEST: Codes = {400: ("no_recipient", "message_too_long"), 409: ("no_lead",)}
MESSAGE: Codes = {
    400: (
        "no_recipient", "no_message", "ambiguous_message", "message_too_long", "template_channel",
        *VARIABLES[400],
    ),
    409: ("no_consent", "restricted"),
    422: ("missing_value",),
}  # fmt: skip


CODES = "codes"
"""The key under which a route's `responses` carry its codes until the document is made."""


def error_responses(*groups: Codes) -> dict[int | str, dict[str, Any]]:
    """Return a route's own error codes, for `responses` of its decorator.

    The codes of its dependencies are added when the document is made.
    """
    return {status: {CODES: codes} for status, codes in merge_codes(*groups).items()}


def merge_codes(*groups: Codes) -> dict[int, tuple[str, ...]]:
    """Return the codes of all groups by status, each once, in order."""
    merged: dict[int, tuple[str, ...]] = {}
    for group in groups:
        for status, codes in group.items():
            merged[status] = tuple(dict.fromkeys([*merged.get(status, ()), *codes]))
    return merged
