"""Examples for `widget_keys`: given events, the rows that they leave."""

from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from projections.widget_keys import projection
from tests.projections.given import AGENT, CONVERSATION, PROPERTY, at, only, rows_of

KEY, NEXT = AGENT, CONVERSATION
ISSUED = WidgetKeyIssued(property_id=PROPERTY, key_id=KEY, key_hash="h1")
ROTATED = WidgetKeyIssued(
    property_id=PROPERTY, key_id=NEXT, key_hash="h2", previous_valid_until=at(60)
)
HASHES = ("key_hash", "previous_key_hash", "previous_valid_until")


def test_a_widget_is_inactive_until_it_is_configured() -> None:
    assert only(rows_of(projection, ISSUED), "is_active", "allowed_origins") == [(False, [])]
    activation = WidgetConfigured(
        property_id=PROPERTY, is_active=True, allowed_origins=("https://a.example",)
    )
    rows = rows_of(
        projection, ISSUED, activation, WidgetConfigured(property_id=PROPERTY, widget_name="Luma")
    )
    assert only(rows, "is_active", "allowed_origins") == [(True, ["https://a.example"])]


def test_a_rotated_key_is_valid_until_the_overlap_ends() -> None:
    assert only(rows_of(projection, ISSUED, ROTATED), *HASHES) == [("h2", "h1", at(60))]


def test_without_an_overlap_the_former_key_is_removed() -> None:
    without_overlap = WidgetKeyIssued(property_id=PROPERTY, key_id=NEXT, key_hash="h2")
    assert only(rows_of(projection, ISSUED, without_overlap), *HASHES) == [("h2", None, None)]


def test_current_and_previous_key_can_be_revoked() -> None:
    def hashes_after_revocation(key: object) -> list[tuple[object, ...]]:
        revocation = WidgetKeyRevoked.model_validate({"property_id": PROPERTY, "key_id": key})
        return only(rows_of(projection, ISSUED, ROTATED, revocation), *HASHES[:2])

    assert hashes_after_revocation(KEY) == [("h2", None)]
    assert hashes_after_revocation(NEXT) == [(None, "h1")]


def test_the_key_before_a_revoked_one_overlaps_with_the_next_key() -> None:
    revoked = WidgetKeyRevoked(property_id=PROPERTY, key_id=NEXT)
    third = ROTATED.model_copy(update={"key_id": PROPERTY, "key_hash": "h3"})
    assert only(rows_of(projection, ISSUED, ROTATED, revoked, third), *HASHES) == [
        ("h3", "h1", at(60))
    ]
