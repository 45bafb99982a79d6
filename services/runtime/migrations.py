"""Bring a database to the newest schema, from a checkout or from an installed wheel."""

import io
import os
from pathlib import Path

from alembic import command
from alembic.config import Config

import migrations
from services.runtime.database import sqlalchemy_url


def alembic_config(dsn: str) -> Config:
    """Alembic's configuration in code; `sqlalchemy.url` is the asyncpg address."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    url = sqlalchemy_url(dsn).render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(dsn: str, revision: str = "head") -> None:
    """Upgrade to `revision`; blocks, and runs its own event loop: call it from a thread."""
    command.upgrade(alembic_config(dsn), revision)


def offline_sql(since: str = "base") -> str:
    """The migrations after revision `since` as one script; it needs no database."""
    said = io.StringIO()
    config = alembic_config("postgresql://")
    config.output_buffer = said
    command.upgrade(config, f"{since}:head", sql=True)
    return said.getvalue()


def current_heads(dsn: str) -> tuple[str, ...]:
    """The newest revisions this code knows."""
    from alembic.script import ScriptDirectory

    return tuple(ScriptDirectory.from_config(alembic_config(dsn)).get_heads())


if __name__ == "__main__":
    migrate(os.environ["DATABASE_URL"])
