"""`follow_up_templates`: the newest version of each message template."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    Select,
    Table,
    Text,
    UniqueConstraint,
    select,
    text,
)

from events.record import RecordedEvent
from events.workflows import TemplateDefined, TemplateRetired
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "follow_up_templates",
    METADATA,
    key(),
    refers("property_id", "properties.id", "CASCADE"),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("subject", Text),
    Column("body", Text, nullable=False),
    Column("is_active", Boolean, server_default=text("true")),
    Column("created_at", INSTANT, server_default=NOW),
    Column("updated_at", INSTANT, server_default=NOW),
    org(),
    Column("version", Integer, server_default=text("1")),
    Column("seeded", Boolean, server_default=text("false")),
    UniqueConstraint("property_id", "slug"),
    Index("idx_follow_up_templates_property", "property_id"),
)
projection = Projection(
    "follow_up_templates", version=1, table=DerivedTable(TABLE, keyed_by=("template_id",))
)


@projection.on(TemplateDefined)
def apply_definition(tables: Tables, recorded: RecordedEvent, event: TemplateDefined) -> None:
    values = {
        "slug": event.slug,
        "name": event.display_name,
        "channel": event.channel.value,
        "subject": event.subject,
        "body": event.body,
        "is_active": event.is_active,
        "version": event.template_version,
        "seeded": event.seeded,
        "updated_at": recorded.occurred_at,
    }
    if tables.rows.get(event.template_id) is not None:
        tables.rows.update(event.template_id, **values)
        return
    created = {
        "id": event.template_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "created_at": recorded.occurred_at,
    }
    tables.rows.insert(event.template_id, {**created, **values})


@projection.on(TemplateRetired)
def deactivate_template(tables: Tables, recorded: RecordedEvent, event: TemplateRetired) -> None:
    """Keep the row and its slug, because runs and deliveries refer to it."""
    tables.rows.update(event.template_id, is_active=False, updated_at=recorded.occurred_at)


def of_property(org_id: UUID, property_id: UUID) -> "Select[Any]":
    """Select the templates of a property by slug."""
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id, TABLE.c.property_id == property_id)
        .order_by(TABLE.c.slug, TABLE.c.id)
    )
