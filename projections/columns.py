"""Columns that derived tables share."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

INSTANT = TIMESTAMP(timezone=True)
NOW = text("now()")


def key() -> "Column[Any]":
    return Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()"))


def refers(name: str, target: str, ondelete: str | None = None) -> "Column[Any]":
    """A foreign key checked at commit, so that a batch may write in any order."""
    return Column(
        name,
        Uuid,
        ForeignKey(target, ondelete=ondelete, deferrable=True, initially="DEFERRED"),
    )


def org() -> "Column[Any]":
    return Column("org_id", Uuid)
