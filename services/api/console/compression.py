"""Compressed pages and files: texts become a fifth as long or less.

A page has no secret that a request could repeat beside a guess: forms of other sites are refused
by their origin, not by a token in the page.
"""

import zlib

from starlette.requests import Request
from starlette.responses import Response

LEVEL = 3
"""A higher level makes pages 5 % smaller and takes twice the time."""
GZIP_FORMAT = 16 + zlib.MAX_WBITS
MIN_BYTES = 1_000


def accepts_gzip(request: Request) -> bool:
    """Return whether the browser can read compressed responses."""
    names = (one.split(";") for one in request.headers.get("accept-encoding", "").split(","))
    return any(
        name.strip() == "gzip" and "q=0" not in map(str.strip, options) for name, *options in names
    )


def compress(content: bytes, level: int = LEVEL) -> bytes:
    """Return bytes in the format of gzip, the same ones for the same content."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, GZIP_FORMAT)
    return compressor.compress(content) + compressor.flush()


def compress_response(request: Request, response: Response) -> Response:
    """Compress a response with a whole body, if the browser can read it."""
    body = getattr(response, "body", b"")
    response.headers.add_vary_header("Accept-Encoding")
    if len(body) >= MIN_BYTES and accepts_gzip(request):
        response.body = compress(bytes(body))
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response
