"""`widget_keys` by example."""

from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from projections.widget_keys import projection
from tests.projections.given import AGENT, HOUSE, TALK, at, only, rows_of

KEY, NEXT = AGENT, TALK
ISSUED = WidgetKeyIssued(property_id=HOUSE, key_id=KEY, key_hash="h1")
ROTATED = WidgetKeyIssued(
    property_id=HOUSE, key_id=NEXT, key_hash="h2", previous_valid_until=at(60)
)
HASHES = ("key_hash", "previous_key_hash", "previous_valid_until")


def test_a_widget_is_inactive_until_it_is_configured() -> None:
    assert only(rows_of(projection, ISSUED), "is_active", "allowed_origins") == [(False, [])]
    on = WidgetConfigured(property_id=HOUSE, is_active=True, allowed_origins=("https://a.example",))
    rows = rows_of(projection, ISSUED, on, WidgetConfigured(property_id=HOUSE, widget_name="Luma"))
    assert only(rows, "is_active", "allowed_origins") == [(True, ["https://a.example"])]


def test_a_rotated_key_works_until_the_overlap_ends() -> None:
    assert only(rows_of(projection, ISSUED, ROTATED), *HASHES) == [("h2", "h1", at(60))]


def test_without_an_overlap_the_old_key_ends_at_once() -> None:
    at_once = WidgetKeyIssued(property_id=HOUSE, key_id=NEXT, key_hash="h2")
    assert only(rows_of(projection, ISSUED, at_once), *HASHES) == [("h2", None, None)]


def test_either_key_can_be_revoked() -> None:
    def revoked(key: object) -> list[tuple[object, ...]]:
        revocation = WidgetKeyRevoked.model_validate({"property_id": HOUSE, "key_id": key})
        return only(rows_of(projection, ISSUED, ROTATED, revocation), *HASHES[:2])

    assert revoked(KEY) == [("h2", None)]
    assert revoked(NEXT) == [(None, "h1")]


def test_the_key_before_a_revoked_one_overlaps_with_the_next() -> None:
    revoked = WidgetKeyRevoked(property_id=HOUSE, key_id=NEXT)
    third = ROTATED.model_copy(update={"key_id": HOUSE, "key_hash": "h3"})
    assert only(rows_of(projection, ISSUED, ROTATED, revoked, third), *HASHES) == [
        ("h3", "h1", at(60))
    ]
