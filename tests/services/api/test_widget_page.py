"""The widget's script and its demonstration page: small, public, and outside of the console."""

from services.api.widget_page.routes import DEMO_PATH, SCRIPT_PATH
from tests.services.api.site import CHAT, Site

MAX_SCRIPT_BYTES = 15 * 1024


async def test_the_script_is_small_and_may_be_loaded_by_other_sites(site: Site) -> None:
    response = await site.client.get(SCRIPT_PATH)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert len(response.content) <= MAX_SCRIPT_BYTES


async def test_the_script_writes_no_markup_and_no_cookie(site: Site) -> None:
    script = (await site.client.get(SCRIPT_PATH)).text
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacent", "eval(", "document.cookie"):
        assert forbidden not in script


async def test_the_demonstration_escapes_the_key_and_runs_only_own_scripts(site: Site) -> None:
    response = await site.client.get(DEMO_PATH, params={"key": '"><script>x</script>'})
    assert "<script>x" not in response.text
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "set-cookie" not in response.headers


async def test_the_demonstration_asks_for_a_key(site: Site) -> None:
    response = await site.client.get(DEMO_PATH)
    assert "Enter the widget key" in response.text
    assert "<script" not in response.text


async def test_pages_of_this_host_may_use_each_widget_and_others_need_to_be_allowed(
    site: Site,
) -> None:
    body = {"message": "hello"}
    for place, status in (("same-origin", 200), ("same-site", 403), ("cross-site", 403)):
        headers = site.widget_headers(Origin="http://crm", **{"Sec-Fetch-Site": place})
        response = await site.client.post(CHAT, json=body, headers=headers)
        assert response.status_code == status, place
