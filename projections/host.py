"""The tables of the host platform, which the host writes: here they are only read."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, Select, Table, Text, Uuid, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from projections.engine.derived_table import METADATA

INSTANT = TIMESTAMP(timezone=True)


def org_foreign_key() -> ForeignKey:
    return ForeignKey("organizations.id", ondelete="CASCADE")


ORGANIZATIONS = Table(
    "organizations",
    METADATA,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("name", Text, nullable=False),
    Column("subscription_tier", Text),
    Column("settings", JSONB, server_default="{}"),
    Column("created_at", INSTANT, server_default=text("now()")),
)
PROPERTIES = Table(
    "properties",
    METADATA,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("org_id", Uuid, org_foreign_key()),
    Column("name", Text, nullable=False),
    Column("address", JSONB, server_default="{}"),
    Column("settings", JSONB, server_default="{}"),
    Column("created_at", INSTANT, server_default=text("now()")),
    Index("idx_properties_org", "org_id"),
)
PROFILES = Table(
    "profiles",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, org_foreign_key()),
    Column("role", Text, server_default="viewer"),
    Column("full_name", Text),
    Column("preferences", JSONB, server_default="{}"),
    Column("created_at", INSTANT, server_default=text("now()")),
    Index("idx_profiles_org", "org_id"),
)


def profile(profile_id: UUID) -> "Select[Any]":
    """Select id, organisation, role and name of a profile."""
    columns = (PROFILES.c.id, PROFILES.c.org_id, PROFILES.c.role, PROFILES.c.full_name)
    return select(*columns).where(PROFILES.c.id == profile_id)


def profiles_of_organization(org_id: UUID) -> "Select[Any]":
    """Select id, name and role of the profiles of an organisation, by name."""
    columns = PROFILES.c
    return (
        select(columns.id, columns.full_name, columns.role)
        .where(columns.org_id == org_id)
        .order_by(columns.full_name, columns.id)
    )


def names_of_profiles(profile_ids: Sequence[UUID]) -> "Select[Any]":
    """Select id and name of profiles."""
    return select(PROFILES.c.id, PROFILES.c.full_name).where(PROFILES.c.id.in_(profile_ids))


def org_of_property(property_id: UUID) -> "Select[Any]":
    """Select the organisation of a property."""
    return select(PROPERTIES.c.org_id).where(PROPERTIES.c.id == property_id)


def settings_of_property(property_id: UUID) -> "Select[Any]":
    """Select organisation, settings and address of a property."""
    columns = (PROPERTIES.c.org_id, PROPERTIES.c.settings, PROPERTIES.c.address)
    return select(*columns).where(PROPERTIES.c.id == property_id)


def properties_of_organization(org_id: UUID) -> "Select[Any]":
    """Select id, name and time zone of the properties of an organisation, by name."""
    columns = PROPERTIES.c
    zone = func.nullif(columns.settings["timezone"].astext, "").label("time_zone")
    return (
        select(columns.id, columns.name, zone)
        .where(columns.org_id == org_id)
        .order_by(columns.name, columns.id)
    )
