"""Examples for `follow_up_templates`: given events, the rows that they leave."""

from events.workflows import MessageChannel, TemplateDefined, TemplateRetired
from projections.templates import projection
from tests.projections.given import ORG, PROPERTY, at, only, rows_of
from tests.projections.workflows import TEMPLATE


def defined(version: int, **more: object) -> TemplateDefined:
    fields = {"slug": "hello", "display_name": "Hello", "channel": MessageChannel.EMAIL,
            "subject": "Hi", "body": "Hi {{first_name}}"}  # fmt: skip
    return TemplateDefined.model_validate(
        {"template_id": TEMPLATE, "template_version": version, **fields, **more}
    )


RETIRED = TemplateRetired(template_id=TEMPLATE)


def test_a_row_has_the_newest_version_of_its_template() -> None:
    changed = defined(2, body="Hello", subject=None, channel="sms", is_active=False)
    (row,) = rows_of(projection, defined(1, seeded=True), changed)
    assert row == {
        "id": TEMPLATE, "org_id": ORG, "property_id": PROPERTY, "slug": "hello", "name": "Hello",
        "channel": "sms", "subject": None, "body": "Hello", "is_active": False,
        "created_at": at(1), "updated_at": at(2), "version": 2, "seeded": False,
    }  # fmt: skip


def test_a_retired_template_is_inactive_and_can_be_defined_again() -> None:
    rows = rows_of(projection, defined(1), RETIRED)
    assert only(rows, "is_active", "slug", "updated_at") == [(False, "hello", at(2))]
    assert only(rows_of(projection, defined(1), RETIRED, defined(2)), "is_active") == [(True,)]
