"""The routes of the widget's script and of its demonstration page. All are public.

The page is outside of /console: it gets no cookie of the console.
"""

import functools
import html
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

SCRIPT_PATH = "/widget.js"
DEMO_PATH = "/widget/demo"
MAX_KEY_LENGTH = 200
SCRIPT_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Cross-Origin-Resource-Policy": "cross-origin",
    # For pages that check the script's hash: `integrity` needs it.
    "Access-Control-Allow-Origin": "*",
}
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
_FOLDER = Path(__file__).parent
_WITH_KEY = (
    "<h1>This is the web site of a property, with its chat at the bottom right.</h1>"
    "<p>Write a message, book a tour, or leave contact details: everything is real, and appears in "
    "the console of the property.</p>"
    "<p>No button at the bottom right? Then the key is not valid, or the widget is switched "
    "off.</p>"
)
_WITHOUT_KEY = (
    "<h1>Enter the widget key of a property to try its chat.</h1>"
    f'<form action="{DEMO_PATH}"><p><label for="key">Widget key</label>'
    '<input id="key" name="key" placeholder="lk_…" required></p><p><button>Show</button></p></form>'
)


def widget_routes() -> list[Route]:
    """Return the routes of the script, of the page and of the page's style sheet."""
    style = functools.partial(_get_file, "demo.css", "text/css", {})
    script = functools.partial(_get_file, "widget.js", "text/javascript", SCRIPT_HEADERS)
    return [
        Route(SCRIPT_PATH, script),
        Route(DEMO_PATH, _show_demo),
        Route(DEMO_PATH + ".css", style),
    ]


async def _get_file(
    name: str, media_type: str, headers: dict[str, str], _request: Request
) -> Response:
    return FileResponse(_FOLDER / name, media_type=media_type, headers=headers)


async def _show_demo(request: Request) -> Response:
    key = request.query_params.get("key", "").strip()[:MAX_KEY_LENGTH]
    script = f'<script src="{SCRIPT_PATH}" data-key="{html.escape(key)}" defer></script>'
    return HTMLResponse(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Widget demo</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><link rel="stylesheet" href="{DEMO_PATH}.css">'
        f"{script if key else ''}</head>\n"
        f"<body><main>{_WITH_KEY if key else _WITHOUT_KEY}</main></body></html>\n",
        headers=PAGE_HEADERS,
    )
