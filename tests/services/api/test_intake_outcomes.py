"""The outcomes of a producer's records, over HTTP."""

from uuid import uuid4

from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.services.api.site import Site, create_profile, create_second_property
from tests.services.intake.producer_records import binary_record
from tests.world import make_world

OUTCOMES = "/api/intake/outcomes"


async def test_a_producer_asks_what_became_of_its_records(site: Site) -> None:
    lead, property_id = uuid4(), site.property_id
    other = await create_second_property(site.world)
    admission = Admission(site.world.pool, IntakeSettings(), Clock())
    await admission.admit([
        binary_record("lead.captured", {"lead_id": str(lead), "email": "ada@example.com"},
                      property_id, ce_id="1", source="/site"),
        binary_record("lead.captured", {"lead_id": "?"}, property_id, ce_id="2", source="/site"),
        binary_record("lead.captured", {"lead_id": str(uuid4())}, property_id, ce_id="3",
                      source="/other"),
        binary_record("lead.captured", {"lead_id": str(uuid4())}, other, ce_id="4"),
    ])  # fmt: skip
    params = {"propertyId": str(property_id), "source": "/site"}
    viewer = site.console_headers(site.viewer)
    listed = await site.client.get(OUTCOMES, params=params, headers=viewer)
    assert listed.status_code == 200, listed.text
    by_id = {outcome["id"]: outcome for outcome in listed.json()["outcomes"]}
    assert by_id.keys() == {"1", "2"}
    assert (by_id["1"]["status"], by_id["1"]["lead_id"]) == ("accepted", str(lead))
    assert (by_id["2"]["status"], by_id["2"]["reason"]) == ("refused", "invalid")
    for more, ids in (
        ({"id": "1"}, ["1"]), ({"status": "refused"}, ["2"]), ({"limit": 1}, ["2"]),
        ({"id": "4"}, []),
    ):  # fmt: skip
        found = await site.client.get(OUTCOMES, params={**params, **more}, headers=viewer)
        assert [outcome["id"] for outcome in found.json()["outcomes"]] in (ids, ids or []), more
    for more in ({"id": "x\x00"}, {"source": "x" * 301}, {"limit": 0}, {"status": "dead"}):
        refused = await site.client.get(OUTCOMES, params={**params, **more}, headers=viewer)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid"), more


async def test_outcomes_of_another_organisation_are_not_found(site: Site) -> None:
    other = await make_world(site.world.pool)
    stranger = site.console_headers(await create_profile(other, "admin"))
    for property_id in (site.property_id, uuid4()):
        response = await site.client.get(
            OUTCOMES, params={"propertyId": str(property_id)}, headers=stranger
        )
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    nobody = await site.client.get(OUTCOMES, params={"propertyId": str(site.property_id)})
    assert nobody.status_code == 401
