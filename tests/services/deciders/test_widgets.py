"""Widgets: their settings and keys."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from services.deciders.widgets import ConfigureWidget, IssueKey, RevokeKey
from tests.services.deciders.given import given

HOUSE, KEY, NEXT, ADMIN = (UUID(int=n) for n in range(1, 5))
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
ISSUED = WidgetKeyIssued(property_id=HOUSE, key_id=KEY, key_hash="h1")


def configured(**settings: Any) -> WidgetConfigured:
    return WidgetConfigured.model_validate({"property_id": HOUSE, **settings})


def configure(**settings: Any) -> ConfigureWidget:
    return ConfigureWidget(HOUSE, settings)


def test_only_what_differs_is_told() -> None:
    before = configured(widget_name="Ada", is_active=True)
    given(before).when(configure(widget_name="Ada", brand_color="#000")).then(
        configured(brand_color="#000")
    )
    given(before).when(configure(widget_name="Ada", is_active=True)).then()
    given(before).when(configure()).then()


def test_what_was_never_set_is_null_already() -> None:
    given().when(configure(logo_url=None)).then()
    given(configured(logo_url="x")).when(configure(logo_url=None)).then(configured(logo_url=None))
    given(configured(is_active=True)).when(configure(is_active=False)).then(
        configured(is_active=False)
    )


def test_who_configured_it_is_told_with_a_change_only() -> None:
    by = ConfigureWidget(HOUSE, {"widget_name": "Ada"}, ADMIN)
    given().when(by).then(configured(widget_name="Ada", configured_by=ADMIN))
    given(configured(widget_name="Ada")).when(by).then()


def test_a_key_that_ends_is_not_given_longer() -> None:
    """It was before one that is revoked, and is before the next again."""
    rotated = WidgetKeyIssued(
        property_id=HOUSE, key_id=NEXT, key_hash="h2", previous_valid_until=UNTIL
    )
    gone = WidgetKeyRevoked(property_id=HOUSE, key_id=NEXT)
    third, day = uuid4(), timedelta(days=1)
    for wanted, ends in ((UNTIL + day, UNTIL), (UNTIL - day, UNTIL - day), (None, None)):
        issued = {"property_id": HOUSE, "key_id": third, "key_hash": "h3"}
        if ends:
            issued["previous_valid_until"] = ends
        given(ISSUED, rotated, gone).when(IssueKey(HOUSE, third, "h3", wanted)).then(
            WidgetKeyIssued.model_validate(issued)
        )


def test_a_first_key_overlaps_with_none() -> None:
    given().when(IssueKey(HOUSE, KEY, "h1", UNTIL)).then(ISSUED)
    given(ISSUED).when(IssueKey(HOUSE, NEXT, "h2", UNTIL, ADMIN)).then(
        WidgetKeyIssued(
            property_id=HOUSE, key_id=NEXT, key_hash="h2", previous_valid_until=UNTIL,
            issued_by=ADMIN,
        )
    )  # fmt: skip
    gone = WidgetKeyRevoked(property_id=HOUSE, key_id=KEY)
    given(ISSUED, gone).when(IssueKey(HOUSE, NEXT, "h2", UNTIL)).then(
        WidgetKeyIssued(property_id=HOUSE, key_id=NEXT, key_hash="h2")
    )


def test_only_a_key_in_use_can_be_revoked() -> None:
    given(ISSUED).when(RevokeKey(HOUSE, KEY)).then(WidgetKeyRevoked(property_id=HOUSE, key_id=KEY))
    given(ISSUED).when(RevokeKey(HOUSE, uuid4())).refused("unknown_key")
