"""`lumaleasing_config` by example."""

from datetime import date
from typing import Any

from events.properties import PropertyRecorded
from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from projections.widgets import TABLE, USUAL, projection
from tests.projections.given import AGENT, HOUSE, ORG, TALK, at, only, rows_of

KEY, NEXT = AGENT, TALK
ISSUED = WidgetKeyIssued(property_id=HOUSE, key_id=KEY, key_hash="a" * 64)
ROTATED = WidgetKeyIssued(property_id=HOUSE, key_id=NEXT, key_hash="b" * 64)
NO_KEY = f"no-key/{HOUSE}"


def recorded(**settings: Any) -> PropertyRecorded:
    return PropertyRecorded(property_id=HOUSE, display_name="The Alder", settings=settings)


def configured(**settings: Any) -> WidgetConfigured:
    return WidgetConfigured.model_validate({"property_id": HOUSE, **settings})


def revoked(key: object) -> WidgetKeyRevoked:
    return WidgetKeyRevoked.model_validate({"property_id": HOUSE, "key_id": key})


def test_a_property_brings_a_widget_that_is_switched_off_and_shown_nowhere() -> None:
    [row] = rows_of(projection, recorded(timezone="America/Chicago"))
    assert row == {
        **USUAL, "id": HOUSE, "property_id": HOUSE, "org_id": ORG, "api_key": NO_KEY,
        "key_id": None, "version": 0, "time_zone": "America/Chicago", "created_at": at(1),
        "updated_at": at(1),
    }  # fmt: skip
    assert (row["is_active"], row["allowed_origins"]) == (False, [])


def test_every_setting_of_an_event_is_a_column_with_a_usual_value() -> None:
    settings = set(WidgetConfigured.model_fields) - {"property_id", "configured_by"}
    assert settings == set(USUAL)
    assert settings <= {column.name for column in TABLE.columns}


def test_a_widget_that_is_configured_before_its_property_is_known_has_a_row() -> None:
    rows = rows_of(projection, configured(widget_name="Ada"), recorded(timezone="UTC"))
    assert only(rows, "widget_name", "time_zone", "is_active") == [("Ada", "UTC", False)]
    assert only(rows, "created_at", "updated_at") == [(at(1), at(2))]


def test_what_is_configured_is_kept_and_what_is_not_named_stays() -> None:
    hours = {"monday": {"start": "09:00", "end": "18:00"}, "sunday": None}
    rows = rows_of(
        projection, recorded(),
        configured(
            is_active=True, allowed_origins=("https://a.example",), business_hours=hours,
            holidays=(date(2026, 12, 25),), tour_blackout_dates=(date(2026, 1, 1),),
        ),
        configured(brand_color="#000000"),
    )  # fmt: skip
    assert only(rows, "is_active", "allowed_origins", "business_hours", "brand_color") == [
        (True, ["https://a.example"], hours, "#000000")
    ]
    assert only(rows, "holidays", "tour_blackout_dates") == [(["2026-12-25"], ["2026-01-01"])]


def test_a_setting_that_is_set_to_null_is_as_if_nobody_had_set_it() -> None:
    said: dict[str, Any] = {
        "widget_name": "Ada", "is_active": True, "collect_phone": True, "logo_url": "x",
        "business_hours": {}, "holidays": (date(2026, 12, 25),), "tour_capacity": 7,
    }  # fmt: skip
    [row] = rows_of(projection, configured(**said), configured(**dict.fromkeys(said)))
    assert {name: row[name] for name in said} == {name: USUAL[name] for name in said}


def test_the_zone_follows_the_property() -> None:
    for told, kept in ((("UTC", "Europe/Berlin"), "Europe/Berlin"), (("UTC", None), None)):
        rows = rows_of(projection, *(recorded(timezone=zone) for zone in told))
        assert only(rows, "time_zone") == [(kept,)]
    said: tuple[Any, ...] = (7, [], {}, "", True)
    for nonsense in said:
        assert only(rows_of(projection, recorded(timezone=nonsense)), "time_zone") == [(None,)]
    silent = PropertyRecorded(property_id=HOUSE)
    assert only(rows_of(projection, recorded(timezone="UTC"), silent), "time_zone") == [(None,)]


def test_the_key_is_the_hash_of_the_newest() -> None:
    assert only(rows_of(projection, recorded(), ISSUED, ROTATED), "api_key") == [("b" * 64,)]


def test_only_the_newest_key_that_is_revoked_leaves_none() -> None:
    assert only(rows_of(projection, ISSUED, ROTATED, revoked(KEY)), "api_key") == [("b" * 64,)]
    assert only(rows_of(projection, ISSUED, ROTATED, revoked(NEXT)), "api_key") == [(NO_KEY,)]
    again = rows_of(projection, ISSUED, revoked(KEY), ROTATED)
    assert only(again, "api_key", "key_id") == [("b" * 64, NEXT)]


def test_a_version_grows_with_each_change_of_the_configuration() -> None:
    rows = rows_of(projection, recorded(), configured(widget_name="A"), ISSUED)
    later = rows_of(projection, recorded(), configured(widget_name="A"), ISSUED,
                    configured(widget_name="B"))  # fmt: skip
    assert rows[0]["version"] < later[0]["version"]


def test_a_deleted_property_takes_its_widget_along() -> None:
    gone = PropertyRecorded(property_id=HOUSE, deleted=True)
    assert rows_of(projection, recorded(), configured(widget_name="A"), gone) == []
