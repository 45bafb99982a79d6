"""`crm db`: bring the database's schema up to date, say where it is."""

import sys

from cyclopts import App

from services.runtime.console import examples, note
from services.runtime.migrate import current_heads
from services.runtime.migrate import migrate as run_migrations
from services.runtime.settings import DatabaseSettings

app = App(
    name="db",
    help_epilogue=examples("crm db migrate", 'psql "$(crm db url)"'),
    help_format="plaintext",
)


@app.command
def migrate(*, revision: str = "head") -> None:
    """Upgrade the schema to a revision, by default the newest; again changes nothing."""
    dsn = DatabaseSettings().dsn
    run_migrations(dsn, revision)
    note(f"the schema is at {', '.join(current_heads(dsn)) if revision == 'head' else revision}")


@app.command
def url() -> None:
    """Print the address of the database with its password."""
    sys.stdout.write(f"{DatabaseSettings().dsn}\n")
