"""What may be refused, as status → codes: by what a route depends on, and by what it does."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from services.api.auth.callers import admin, listener, new_visitor, person, visitor, writer
from services.api.responses import once, reached

Codes: TypeAlias = Mapping[int, tuple[str, ...]]
"""Status → the codes its problem documents may have."""

EVERYWHERE: Codes = {500: ("internal",), 503: ("unavailable",)}
PARAMETERS: Codes = {400: ("invalid",)}
BODY: Codes = {
    400: ("invalid", "malformed_json", "disconnected"),
    413: ("body_too_large",),
    415: ("unsupported_media_type",),
}
_ADMITTED: Codes = {
    400: ("invalid_visitor",),
    401: ("no_key",),
    403: ("origin_not_allowed", "widget_inactive"),
    429: ("rate_limited",),
}
_BY_KEY: Codes = {**_ADMITTED, 401: ("no_key", "bad_key")}
BY_DEPENDENCY: Mapping[Callable[..., Any], Codes] = {
    visitor: _BY_KEY,
    listener: _BY_KEY,
    new_visitor: {**_ADMITTED, 404: ("not_found",)},
    person: {401: ("unauthenticated",)},
    writer: {403: ("forbidden",)},
    admin: {403: ("forbidden",)},
    reached: {
        400: ("malformed_token", "token_of_another_generation"),
        503: ("not_there_yet",),
    },
    once: {
        400: ("invalid_idempotency_key", "invalid", "limit_exceeded"),
        404: ("wrong_property",),
        409: ("conflict", "claim_taken"),
        422: ("idempotency_key_reused", "id_reused"),
    },
}

NOT_FOUND: Codes = {404: ("not_found",)}
CHAT: Codes = {400: ("empty_message",)}
SINCE: Codes = {400: ("invalid_after", "unknown_message")}
CONTACT: Codes = {400: ("invalid_email", "invalid_phone"), 409: ("known_lead",)}
NO_CONTACT: Codes = {400: ("no_contact",)}
CURSOR: Codes = {400: ("malformed_cursor",)}
STAFF: Codes = {400: ("unknown_profile",)}
WHEN: Codes = {
    400: ("tour_in_past", "invalid_date"),
    409: ("no_time_zone",),
    422: ("no_such_time", "unknown_zone"),
}
PLACE: Codes = {
    400: ("invalid_duration",),
    409: ("slot_full", "slot_closed", "agent_busy"),
}
TOURS_ON: Codes = {404: ("tours_off",)}
SLOT: Codes = {400: ("no_slot", "tour_in_past"), 404: ("not_found",)}
NO_EMAIL: Codes = {400: ("no_email",)}
NO_VISITOR: Codes = {400: ("no_visitor",)}
OF_LEAD: Codes = {404: ("not_found", "unknown_subject")}
OF_TOUR: Codes = {404: ("not_this_lead",), 409: ("tour_state",)}
ACTIVITY: Codes = {400: ("unknown_activity_type", "derived_activity_type")}
LEASED: Codes = {409: ("leased",)}
MERGE: Codes = {409: ("same_lead", "already_merged")}
UNMERGE: Codes = {409: ("not_merged",)}
OF_CONVERSATION: Codes = {404: ("not_found",), 409: ("taken_over",)}
RELEASING: Codes = {404: ("not_found",), 403: ("not_in_charge",)}
ANSWERING: Codes = {400: ("empty_message",), 404: ("not_found",), 409: ("not_taken_over",)}
STREAM: Codes = {503: ("too_many_streams",)}
RANGE: Codes = {400: ("invalid_range",)}
ZONE: Codes = {409: ("no_time_zone",), 422: ("unknown_zone",)}
ENGAGEMENT: Codes = {400: ("unknown_event_type", "derived_event_type")}

KEY: Codes = {409: ("key_not_shown_again",)}
VERSION: Codes = {409: ("stale_version",)}
OF_DEFINITION: Codes = {404: ("not_found", "unknown_subject")}
DEFINITION: Codes = {400: ("invalid_definition", "unknown_trigger"), 409: ("template_not_ready",)}
VARIABLES: Codes = {400: ("unknown_variable", "malformed_variable")}
TEMPLATE: Codes = {400: ("invalid_template", *VARIABLES[400])}
SLUG: Codes = {409: ("slug_taken",)}
OF_RUN: Codes = {404: ("not_this_lead", "no_live_run"), 409: ("run_state",)}
MESSAGE: Codes = {
    400: (
        "no_recipient", "no_message", "ambiguous_message", "message_too_long", "template_channel",
        *VARIABLES[400],
    ),
    409: ("no_consent",),
    422: ("missing_value",),
}  # fmt: skip


def refuses(*kinds: Codes) -> dict[int | str, dict[str, Any]]:
    """What a route refuses of its own, for its decorator; its dependencies add theirs."""
    return {status: {CODES: codes} for status, codes in together(*kinds).items()}


CODES = "codes"


def together(*kinds: Codes) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for kind in kinds:
        for status, codes in kind.items():
            found[status] = tuple(dict.fromkeys([*found.get(status, ()), *codes]))
    return found
