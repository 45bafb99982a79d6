"""Announcements: database notifications that wake processes which wait for new events.

An append announces itself after its commit, outside of its transaction: a NOTIFY inside would make
all commits wait for each other. A lost announcement costs only time, because every process that
waits for one also looks by itself now and then.
"""

from events.log.connection import Connection

APPENDED = "crm_appended"
"""The channel that says that events were appended."""
PUBLISHED = "crm_published"
"""The channel that says that events were published on the bus."""
ANNOUNCE = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')"
"""The statement of an announcement, alone in its transaction: nobody waits for its commit."""


def note_append(conn: Connection) -> None:
    """Let a connection of a pool announce its append as soon as it is committed."""
    note = getattr(conn, "note_append", None)
    if note is not None:
        note()
