"""The page behind the link in a message, and the one-click unsubscription of mail programs.

Only a POST changes something: programs that check the links of e-mails send a GET. The routes are
for people and mail programs: the OpenAPI document does not have them.
"""

from urllib.parse import parse_qsl

import asyncpg
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from events.consents import ConsentChannel
from services.api.consent_page import decision_text, show_invalid_link, show_preferences
from services.api.context import ApiContext, context_of
from services.api.problems import Problem
from services.api.rate_limit.limits import limit_network
from services.api.request_body import read_bytes
from services.api.table_fit import require_fitting_tables
from services.application.link_decisions import Preferences, decide_by_link, load_preferences
from services.application.unsubscribe_links import PATH, UnsubscribeLink, read_unsubscribe_token

ONE_CLICK, PREFERENCE_PAGE = "one_click", "preference_page"
"""The places of these decisions: a mail program, or the page."""
MAX_FIELDS = 20
_DECISIONS = {"withdrawn": False, "given": True}


async def show_page(request: Request) -> Response:
    """Show what the person has decided. Changes nothing."""
    context = context_of(request)
    link = await _open_link(request, context)
    if link is None:
        return show_invalid_link()
    async with context.pool.acquire() as conn:
        return await _show(context, conn, link)  # type: ignore[arg-type]


async def change_preferences(request: Request) -> Response:
    """Withdraw or give consent, and show the page.

    A mail program sends `List-Unsubscribe=One-Click` (RFC 8058), as one of two kinds of forms: it
    stops the channel of the link.
    """
    context = context_of(request)
    link = await _open_link(request, context)
    form = await _read_form(request)
    if link is None:
        return show_invalid_link()
    await require_fitting_tables(context, None)
    async with context.pool.acquire() as conn:
        preferences = await load_preferences(conn, link, context.clock.now())  # type: ignore[arg-type]
        if preferences is None:
            return show_invalid_link()
        channel, given, place = _decision(form, link, preferences)
        await decide_by_link(
            conn,  # type: ignore[arg-type]
            preferences, channel, given=given, place=place, at=context.clock.now(),
            text=decision_text(channel, preferences.property_name, given=given),
        )  # fmt: skip
        return await _show(context, conn, link)  # type: ignore[arg-type]


def _decision(
    form: dict[str, str], link: UnsubscribeLink, preferences: Preferences
) -> tuple[ConsentChannel, bool, str]:
    """Return what a form decides: channel, whether consent is given, and the place."""
    if "consent" not in form:  # a mail program; some send no form at all
        return link.channel, False, ONE_CLICK
    given = _DECISIONS.get(form.get("consent", ""))
    channels = [channel for channel in preferences.allowed if channel == form.get("channel")]
    # Whoever has the link may stop every message, but may not allow others than it belongs to.
    if given is None or not channels or (given and channels[0] is not link.channel):
        raise Problem(400, "invalid", "the form names no decision: use the buttons of the page")
    return channels[0], given, PREFERENCE_PAGE


async def _open_link(request: Request, context: ApiContext) -> UnsubscribeLink | None:
    token = str(request.path_params["token"])
    link = read_unsubscribe_token(await context.keys.load("unsubscribe_link"), token)
    if link is None:
        # Another process may have made it with a key that was added a moment ago.
        link = read_unsubscribe_token(await context.keys.load_again("unsubscribe_link"), token)
    if link is None:
        await limit_network(request)
    return link


async def _read_form(request: Request) -> dict[str, str]:
    """Return the fields of the page's form. Forms of mail programs, in any encoding, have none."""
    raw = await read_bytes(request)
    try:
        return dict(parse_qsl(raw.decode(), max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}


async def _show(context: ApiContext, conn: asyncpg.Connection, link: UnsubscribeLink) -> Response:
    preferences = await load_preferences(conn, link, context.clock.now())
    if preferences is None:
        return show_invalid_link()
    return show_preferences(preferences.property_name, link.channel, preferences.allowed)


ROUTES = (
    Route(PATH + "{token}", show_page, methods=["GET"]),
    Route(PATH + "{token}", change_preferences, methods=["POST"]),
)
