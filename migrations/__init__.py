"""The migrations of the database schema, applied by Alembic."""
