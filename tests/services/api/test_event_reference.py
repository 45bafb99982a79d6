"""The reference of events at /docs/events: complete, with valid examples, and without scripts."""

import jsonschema
import orjson
import pytest

from events.catalog import CATALOG
from services.api.docs_page.event_reference import describe_event, make_published_example
from services.api.docs_page.event_routes import LIST_PATH
from tests.services.api.console.visits import Shown
from tests.services.api.site import Site


async def test_the_list_names_every_event_and_topic(site: Site) -> None:
    response = await site.client.get(LIST_PATH)
    assert response.status_code == 200
    shown = Shown(response)
    assert (
        shown.answer
        == f"The core publishes {len(CATALOG)} kinds of events on the topic crm.events."
    )
    assert {f"{LIST_PATH}/{name}" for name in CATALOG} <= shown.links()
    assert "crm.intake" in shown.text
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", ["lead.captured", "tour.scheduled", "widget.configured"])
async def test_the_page_of_an_event_has_its_fields_version_and_example(
    name: str, site: Site
) -> None:
    shown = Shown(await site.client.get(f"{LIST_PATH}/{name}"))
    assert shown.status == 200
    assert name in shown.answer
    for field in CATALOG[name].kind.model_fields:
        assert field in shown.text
    page = describe_event(name)
    assert page is not None
    version = shown.tree.xpath("//dt[.='Version']/following::dd[1]")[0].text_content()
    assert version.split(".")[0] == str(page.version)
    assert orjson.loads(shown.tree.xpath("//pre")[0].text)["type"] == name


async def test_an_unknown_event_is_not_found(site: Site) -> None:
    assert (await site.client.get(f"{LIST_PATH}/lead.forgotten")).status_code == 404


async def test_the_document_is_that_of_the_contract(site: Site) -> None:
    document = (await site.client.get(LIST_PATH + ".json")).json()
    assert document["asyncapi"] == "3.0.0"
    schemas = {"components": document["components"]}
    for name in CATALOG:
        payload = document["components"]["messages"][name]["payload"]
        jsonschema.validate(make_published_example(name), {**payload, **schemas})


async def test_the_documentation_of_the_api_leads_to_the_events(site: Site) -> None:
    assert f'href="{LIST_PATH}"' in (await site.client.get("/docs")).text
