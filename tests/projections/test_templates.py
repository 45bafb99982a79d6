"""`follow_up_templates` by example."""

from events.workflows import MessageChannel, TemplateDefined, TemplateRetired
from projections.templates import projection
from tests.projections.given import HOUSE, ORG, at, only, rows_of
from tests.projections.workflows import TEMPLATE


def defined(version: int, **more: object) -> TemplateDefined:
    said = {"slug": "hello", "display_name": "Hello", "channel": MessageChannel.EMAIL,
            "subject": "Hi", "body": "Hi {{first_name}}"}  # fmt: skip
    return TemplateDefined.model_validate(
        {"template_id": TEMPLATE, "template_version": version, **said, **more}
    )


RETIRED = TemplateRetired(template_id=TEMPLATE)


def test_a_template_is_its_newest_version() -> None:
    changed = defined(2, body="Hello", subject=None, channel="sms", is_active=False)
    (row,) = rows_of(projection, defined(1, seeded=True), changed)
    assert row == {
        "id": TEMPLATE, "org_id": ORG, "property_id": HOUSE, "slug": "hello", "name": "Hello",
        "channel": "sms", "subject": None, "body": "Hello", "is_active": False,
        "created_at": at(1), "updated_at": at(2), "version": 2, "seeded": False,
    }  # fmt: skip


def test_a_retired_template_stays_and_can_be_taken_up_again() -> None:
    rows = rows_of(projection, defined(1), RETIRED)
    assert only(rows, "is_active", "slug", "updated_at") == [(False, "hello", at(2))]
    assert only(rows_of(projection, defined(1), RETIRED, defined(2)), "is_active") == [(True,)]
