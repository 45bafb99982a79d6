"""The files of the pages: style sheet, scripts, pictures. All are served by this process."""

import functools
import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).parent / "static"
PREFIX = "/console/static"
MEDIA_TYPES = {
    ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png",
    ".LICENSE": "text/plain",
}  # fmt: skip
CACHE = {"Cache-Control": "public, max-age=31536000, immutable"}
"""The address of a file contains its hash, so a new build has other addresses."""


def asset_routes() -> list[Route]:
    """Return a route for each file. All are public: they contain no data."""
    return [
        Route(f"{PREFIX}/{{version}}/{path.name}", functools.partial(_get_file, path))
        for path in sorted(FOLDER.iterdir())
    ]


@functools.cache
def asset_url(name: str) -> str:
    """Return the address of a file of the folder."""
    digest = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]
    return f"{PREFIX}/{digest}/{name}"


async def _get_file(path: Path, _request: Request) -> Response:
    return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=CACHE)
