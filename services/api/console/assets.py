"""The files of the pages: style sheet, scripts, pictures. All are served by this process."""

import functools
import hashlib
import zlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from services.api.console.compression import accepts_gzip, compress

FOLDER = Path(__file__).parent / "static"
PREFIX = "/console/static"
MEDIA_TYPES = {
    ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png",
    ".LICENSE": "text/plain",
}  # fmt: skip
TEXTS = (".css", ".js", ".svg")
CACHE = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
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


async def _get_file(path: Path, request: Request) -> Response:
    if path.suffix not in TEXTS or not accepts_gzip(request):
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=CACHE)
    headers = {**CACHE, "Content-Encoding": "gzip"}
    return Response(_compress_file(path), media_type=MEDIA_TYPES[path.suffix], headers=headers)


@functools.cache
def _compress_file(path: Path) -> bytes:
    return compress(path.read_bytes(), zlib.Z_BEST_COMPRESSION)
