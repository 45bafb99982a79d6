"""The decider of widgets: settings and keys."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from services.deciders.widgets import ConfigureWidget, IssueKey, RevokeKey
from tests.services.deciders.given import given

PROPERTY, KEY, NEXT, ADMIN = (UUID(int=n) for n in range(1, 5))
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
ISSUED = WidgetKeyIssued(property_id=PROPERTY, key_id=KEY, key_hash="h1")


def configured(**settings: Any) -> WidgetConfigured:
    return WidgetConfigured.model_validate({"property_id": PROPERTY, **settings})


def configure(**settings: Any) -> ConfigureWidget:
    return ConfigureWidget(PROPERTY, settings)


def test_only_changed_settings_are_in_the_event() -> None:
    before = configured(widget_name="Ada", is_active=True)
    given(before).when(configure(widget_name="Ada", brand_color="#000")).then(
        configured(brand_color="#000")
    )
    given(before).when(configure(widget_name="Ada", is_active=True)).then()
    given(before).when(configure()).then()


def test_null_changes_nothing_in_a_setting_that_was_never_set() -> None:
    given().when(configure(logo_url=None)).then()
    given(configured(logo_url="x")).when(configure(logo_url=None)).then(configured(logo_url=None))
    given(configured(is_active=True)).when(configure(is_active=False)).then(
        configured(is_active=False)
    )


def test_the_editor_is_recorded_with_a_change_only() -> None:
    by = ConfigureWidget(PROPERTY, {"widget_name": "Ada"}, ADMIN)
    given().when(by).then(configured(widget_name="Ada", configured_by=ADMIN))
    given(configured(widget_name="Ada")).when(by).then()


def test_the_end_of_a_key_is_not_extended() -> None:
    """The key ended at the rotation to a key that was revoked; a third key follows it."""
    rotated = WidgetKeyIssued(
        property_id=PROPERTY, key_id=NEXT, key_hash="h2", previous_valid_until=UNTIL
    )
    revoked = WidgetKeyRevoked(property_id=PROPERTY, key_id=NEXT)
    third, day = uuid4(), timedelta(days=1)
    for requested, ends in ((UNTIL + day, UNTIL), (UNTIL - day, UNTIL - day), (None, None)):
        issued = {"property_id": PROPERTY, "key_id": third, "key_hash": "h3"}
        if ends:
            issued["previous_valid_until"] = ends
        given(ISSUED, rotated, revoked).when(IssueKey(PROPERTY, third, "h3", requested)).then(
            WidgetKeyIssued.model_validate(issued)
        )


def test_the_first_key_has_no_previous_key() -> None:
    given().when(IssueKey(PROPERTY, KEY, "h1", UNTIL)).then(ISSUED)
    given(ISSUED).when(IssueKey(PROPERTY, NEXT, "h2", UNTIL, ADMIN)).then(
        WidgetKeyIssued(
            property_id=PROPERTY, key_id=NEXT, key_hash="h2", previous_valid_until=UNTIL,
            issued_by=ADMIN,
        )
    )  # fmt: skip
    revoked = WidgetKeyRevoked(property_id=PROPERTY, key_id=KEY)
    given(ISSUED, revoked).when(IssueKey(PROPERTY, NEXT, "h2", UNTIL)).then(
        WidgetKeyIssued(property_id=PROPERTY, key_id=NEXT, key_hash="h2")
    )


def test_a_third_key_ends_as_requested_and_leaves_two_valid_keys() -> None:
    third, later = uuid4(), UNTIL + timedelta(days=1)
    rotated = WidgetKeyIssued(
        property_id=PROPERTY, key_id=NEXT, key_hash="h2", previous_valid_until=UNTIL
    )
    issued = WidgetKeyIssued(
        property_id=PROPERTY, key_id=third, key_hash="h3", previous_valid_until=later
    )
    given(ISSUED, rotated).when(IssueKey(PROPERTY, third, "h3", later)).then(issued)
    after = given(ISSUED, rotated, issued)
    after.when(RevokeKey(PROPERTY, KEY)).refused("unknown_key", 404)
    for key in (NEXT, third):
        after.when(RevokeKey(PROPERTY, key)).then(
            WidgetKeyRevoked(property_id=PROPERTY, key_id=key)
        )


def test_a_key_without_an_end_of_the_one_before_replaces_it_at_once() -> None:
    replaced = WidgetKeyIssued(property_id=PROPERTY, key_id=NEXT, key_hash="h2")
    given(ISSUED, replaced).when(RevokeKey(PROPERTY, KEY)).refused("unknown_key", 404)


def test_an_end_of_the_key_before_the_first_one_changes_nothing() -> None:
    first = ISSUED.model_copy(update={"previous_valid_until": UNTIL})
    given(first).when(IssueKey(PROPERTY, NEXT, "h2", UNTIL + timedelta(days=1))).then(
        WidgetKeyIssued(
            property_id=PROPERTY, key_id=NEXT, key_hash="h2",
            previous_valid_until=UNTIL + timedelta(days=1),
        )
    )  # fmt: skip


def test_only_a_valid_key_can_be_revoked() -> None:
    given(ISSUED).when(RevokeKey(PROPERTY, KEY)).then(
        WidgetKeyRevoked(property_id=PROPERTY, key_id=KEY)
    )
    given(ISSUED).when(RevokeKey(PROPERTY, uuid4())).refused("unknown_key", 404)
