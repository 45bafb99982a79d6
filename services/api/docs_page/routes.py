"""The routes of the API documentation: the page, its files, and the OpenAPI document."""

import functools
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from services.api.openapi import build_document
from services.api.responses import encode_json
from services.api.routes.catalog import ROUTERS

DOCUMENT_PATH = "/api/openapi.json"
PAGE_PATH = "/docs"
MEDIA_TYPES = {
    "init.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
    "LICENSE": "text/plain",
}
"""The files that the page may load → their media types. Nothing else of the folder is served."""
HEADERS = {
    # Only files of this host; no inline script. `data:` is for the icons in the style sheet.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
_FOLDER = Path(__file__).parent


def documentation_routes() -> list[Route]:
    """Return the routes of the page, of its files and of the document. All are public."""
    files = [
        Route(f"{PAGE_PATH}/{name}", functools.partial(_get_file, name, media_type))
        for name, media_type in MEDIA_TYPES.items()
    ]
    return [Route(DOCUMENT_PATH, _get_document), Route(PAGE_PATH, _get_page), *files]


async def _get_page(_request: Request) -> Response:
    return FileResponse(_FOLDER / "index.html", media_type="text/html", headers=HEADERS)


async def _get_file(name: str, media_type: str, _request: Request) -> Response:
    return FileResponse(_FOLDER / name, media_type=media_type, headers=HEADERS)


async def _get_document(_request: Request) -> Response:
    return Response(_encoded_document(), media_type="application/json")


@functools.cache
def _encoded_document() -> bytes:
    return encode_json(build_document(ROUTERS))
