"""Pages and files are compressed for browsers that can read it."""

import gzip

import httpx2
import pytest

from services.api.console.compression import MIN_BYTES
from tests.services.api.console.visits import Shown, Visit

MAX_BYTES = 150 * 1024


async def read_raw(client: httpx2.AsyncClient, path: str, accepted: str) -> httpx2.Response:
    """Return a response whose `content` is what was sent."""
    request = client.build_request("GET", path, headers={"Accept-Encoding": accepted})
    response = await client.send(request, stream=True)
    raw = b"".join([part async for part in response.aiter_raw()])
    return httpx2.Response(
        response.status_code,
        headers=[(name, text) for name, text in response.headers.multi_items()
                 if name != "content-encoding"],
        content=raw,
        extensions={"encoding": response.headers.get("content-encoding")},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("accepted", "encoding"), [("gzip, br", "gzip"), ("br", None), ("gzip;q=0", None)]
)
async def test_a_page_is_sent_as_the_browser_can_read_it(
    accepted: str, encoding: str | None, manager: Visit
) -> None:
    plain = (await manager.open(manager.at_property("widget"))).response
    response = await read_raw(manager.client, manager.at_property("widget"), accepted)
    assert response.extensions["encoding"] == encoding
    assert "Accept-Encoding" in response.headers["vary"]
    assert "HX-Request" in response.headers["vary"]
    assert response.headers["content-length"] == str(len(response.content))
    content = gzip.decompress(response.content) if encoding else response.content
    assert content == plain.content
    assert len(plain.content) > MIN_BYTES


async def test_the_files_of_a_page_are_compressed(manager: Visit) -> None:
    shown = await manager.open(manager.at_property("leads"))
    weight = 0
    for address in {*shown.tree.xpath("//script/@src"), *shown.tree.xpath("//link/@href")}:
        response = await read_raw(manager.client, address, "gzip")
        assert response.extensions["encoding"] == "gzip"
        assert response.headers["vary"] == "Accept-Encoding"
        plain = await manager.client.get(address, headers={"Accept-Encoding": "identity"})
        assert gzip.decompress(response.content) == plain.content
        weight += len(response.content)
    assert 0 < weight < MAX_BYTES // 3


async def test_people_who_share_a_response_get_it_as_their_browsers_can_read_it(
    manager: Visit,
) -> None:
    headers = {"HX-Request": "true", "X-Console-Position": "1"}
    path = manager.at_property("leads")
    for accepted in ("gzip", "identity", "gzip"):
        response = await manager.client.get(path, headers={**headers, "Accept-Encoding": accepted})
        assert ("content-encoding" in response.headers) == (accepted == "gzip")
        assert Shown(response).tree.xpath("//h1")
