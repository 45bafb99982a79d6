"""Functions that migrate a database, from a checkout or from an installed wheel."""

import io
import os
from pathlib import Path

from alembic import command
from alembic.config import Config

import migrations
from services.runtime.database import sqlalchemy_url


def alembic_config(dsn: str) -> Config:
    """Return Alembic's configuration; `sqlalchemy.url` is the asyncpg address."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    url = sqlalchemy_url(dsn).render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(dsn: str, revision: str = "head") -> None:
    """Upgrade to `revision`. It blocks and runs its own event loop: call it from a thread."""
    command.upgrade(alembic_config(dsn), revision)


def offline_sql(since: str = "base") -> str:
    """Return the migrations after revision `since` as one SQL script; needs no database."""
    script = io.StringIO()
    config = alembic_config("postgresql://")
    config.output_buffer = script
    command.upgrade(config, f"{since}:head", sql=True)
    return script.getvalue()


def current_heads(dsn: str) -> tuple[str, ...]:
    """Return the newest revisions of this code."""
    from alembic.script import ScriptDirectory

    return tuple(ScriptDirectory.from_config(alembic_config(dsn)).get_heads())


if __name__ == "__main__":
    migrate(os.environ["DATABASE_URL"])
