"""Examples for `lumaleasing_config`: given events, the rows that they leave."""

from datetime import date
from typing import Any

from events.properties import PropertyRecorded
from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from projections.widgets import DEFAULTS, TABLE, projection
from tests.projections.given import AGENT, CONVERSATION, ORG, PROPERTY, at, only, rows_of

KEY, NEXT = AGENT, CONVERSATION
ISSUED = WidgetKeyIssued(property_id=PROPERTY, key_id=KEY, key_hash="a" * 64)
ROTATED = WidgetKeyIssued(property_id=PROPERTY, key_id=NEXT, key_hash="b" * 64)
NO_KEY = f"no-key/{PROPERTY}"


def property_recorded(**settings: Any) -> PropertyRecorded:
    return PropertyRecorded(property_id=PROPERTY, display_name="The Alder", settings=settings)


def configured(**settings: Any) -> WidgetConfigured:
    return WidgetConfigured.model_validate({"property_id": PROPERTY, **settings})


def revoked(key: object) -> WidgetKeyRevoked:
    return WidgetKeyRevoked.model_validate({"property_id": PROPERTY, "key_id": key})


def test_a_property_creates_an_inactive_widget_without_origins() -> None:
    [row] = rows_of(projection, property_recorded(timezone="America/Chicago"))
    assert row == {
        **DEFAULTS, "id": PROPERTY, "property_id": PROPERTY, "org_id": ORG, "api_key": NO_KEY,
        "key_id": None, "version": 0, "time_zone": "America/Chicago", "created_at": at(1),
        "updated_at": at(1),
    }  # fmt: skip
    assert (row["is_active"], row["allowed_origins"]) == (False, [])


def test_every_setting_of_the_event_is_a_column_with_a_default() -> None:
    settings = set(WidgetConfigured.model_fields) - {"property_id", "configured_by"}
    assert settings == set(DEFAULTS)
    assert settings <= {column.name for column in TABLE.columns}


def test_a_configuration_before_the_property_creates_the_row() -> None:
    rows = rows_of(projection, configured(widget_name="Ada"), property_recorded(timezone="UTC"))
    assert only(rows, "widget_name", "time_zone", "is_active") == [("Ada", "UTC", False)]
    assert only(rows, "created_at", "updated_at") == [(at(1), at(2))]


def test_a_configuration_changes_the_named_settings_only() -> None:
    hours = {"monday": {"start": "09:00", "end": "18:00"}, "sunday": None}
    rows = rows_of(
        projection, property_recorded(),
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


def test_a_setting_that_is_set_to_null_returns_to_its_default() -> None:
    settings: dict[str, Any] = {
        "widget_name": "Ada", "is_active": True, "collect_phone": True, "logo_url": "x",
        "business_hours": {}, "holidays": (date(2026, 12, 25),), "tour_capacity": 7,
    }  # fmt: skip
    [row] = rows_of(projection, configured(**settings), configured(**dict.fromkeys(settings)))
    assert {name: row[name] for name in settings} == {name: DEFAULTS[name] for name in settings}


def test_the_time_zone_is_that_of_the_property() -> None:
    for zones, expected in ((("UTC", "Europe/Berlin"), "Europe/Berlin"), (("UTC", None), None)):
        rows = rows_of(projection, *(property_recorded(timezone=zone) for zone in zones))
        assert only(rows, "time_zone") == [(expected,)]
    invalid_zones: tuple[Any, ...] = (7, [], {}, "", True)
    for zone in invalid_zones:
        assert only(rows_of(projection, property_recorded(timezone=zone)), "time_zone") == [(None,)]
    without_settings = PropertyRecorded(property_id=PROPERTY)
    assert only(
        rows_of(projection, property_recorded(timezone="UTC"), without_settings), "time_zone"
    ) == [(None,)]


def test_the_stored_key_is_the_hash_of_the_current_key() -> None:
    assert only(rows_of(projection, property_recorded(), ISSUED, ROTATED), "api_key") == [
        ("b" * 64,)
    ]


def test_only_a_revoked_current_key_is_removed() -> None:
    assert only(rows_of(projection, ISSUED, ROTATED, revoked(KEY)), "api_key") == [("b" * 64,)]
    assert only(rows_of(projection, ISSUED, ROTATED, revoked(NEXT)), "api_key") == [(NO_KEY,)]
    again = rows_of(projection, ISSUED, revoked(KEY), ROTATED)
    assert only(again, "api_key", "key_id") == [("b" * 64, NEXT)]


def test_each_configuration_increases_the_version() -> None:
    rows = rows_of(projection, property_recorded(), configured(widget_name="A"), ISSUED)
    later = rows_of(projection, property_recorded(), configured(widget_name="A"), ISSUED,
                    configured(widget_name="B"))  # fmt: skip
    assert rows[0]["version"] < later[0]["version"]


def test_a_deleted_property_deletes_its_widget() -> None:
    deleted = PropertyRecorded(property_id=PROPERTY, deleted=True)
    assert rows_of(projection, property_recorded(), configured(widget_name="A"), deleted) == []
