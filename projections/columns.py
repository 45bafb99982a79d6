"""Columns that several derived tables have."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

INSTANT = TIMESTAMP(timezone=True)
NOW = text("now()")


def key() -> "Column[Any]":
    """Return the primary key column `id`."""
    return Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()"))


def refers(name: str, target: str, ondelete: str | None = None) -> "Column[Any]":
    """Return a column with a foreign key to `target`, for example `leads.id`.

    It is checked at the commit, so that a batch may write rows in any order. Foreign key actions
    (`ondelete`) never run: projectors delete child rows first.
    """
    return Column(
        name,
        Uuid,
        ForeignKey(target, ondelete=ondelete, deferrable=True, initially="DEFERRED"),
    )


def org() -> "Column[Any]":
    """Return the column of the organisation's id."""
    return Column("org_id", Uuid)
