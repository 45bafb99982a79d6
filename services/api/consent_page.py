"""The page on which a person sees and changes which messages it gets. It has no script."""

import html
from collections.abc import Mapping

from starlette.responses import Response

from events.consents import ConsentChannel

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
NAMES = {ConsentChannel.EMAIL: "e-mails", ConsentChannel.SMS: "text messages (SMS)"}
_STYLE = (
    "body{font:16px sans-serif;max-width:34em;margin:3em auto;padding:0 1em}button{font:inherit}"
)


def decision_text(channel: ConsentChannel, property_name: str, *, given: bool) -> str:
    """Return the words of the button with which a person decides: they are the evidence."""
    verb = "Allow" if given else "Stop"
    return f"{verb} {NAMES[channel]} from {property_name}"


def show_preferences(
    property_name: str, link_channel: ConsentChannel, allowed: Mapping[ConsentChannel, bool]
) -> Response:
    """Return the page. Consent can be withdrawn for each channel, and given for the link's own."""
    rows = []
    for channel, is_allowed in allowed.items():
        state = "You get" if is_allowed else "You do not get"
        row = f"<p>{state} {NAMES[channel]} from {html.escape(property_name)}.</p>"
        if is_allowed or channel is link_channel:
            text = html.escape(decision_text(channel, property_name, given=not is_allowed))
            value = "withdrawn" if is_allowed else "given"
            row += (
                '<form method="post">'
                f'<input type="hidden" name="channel" value="{channel}">'
                f'<input type="hidden" name="consent" value="{value}">'
                f"<button>{text}</button></form>"
            )
        rows.append(row)
    return _page("Your messages", "\n".join(rows))


def show_invalid_link() -> Response:
    """Return the page for a link that the core did not make, or whose lead is gone."""
    text = "<p>This link is not valid. Open it again from the message, completely.</p>"
    return _page("Link not valid", text, status=404)


def _page(title: str, body: str, status: int = 200) -> Response:
    content = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )
    return Response(content, status, HEADERS, "text/html")
