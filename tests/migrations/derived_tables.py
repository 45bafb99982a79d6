"""The derived tables that clients read; the others are private to the core."""

from projections.catalog import LIVE

DERIVED_TABLES = tuple(table.name for table in LIVE.tables if table.schema == "public")
