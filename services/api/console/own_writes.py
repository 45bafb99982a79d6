"""The last write of a person, which the next pages show as soon as the tables contain it."""

from events.log.token import MalformedToken
from services.api.consistency import is_applied_within, open_token
from services.api.console.menu import OPERATOR_PAGES
from services.api.context import ApiContext
from services.api.problems import Problem

WAIT_SECONDS = 1.0
"""The time for which a page waits for the write. Tables are usually behind by less."""


async def is_write_shown(context: ApiContext, token: str, wait_seconds: float) -> bool:
    """Return whether the tables contain the write of a token, or do so a moment later.

    True also for a token with which nobody can wait, such as one from before a restore.
    """
    seconds = min(wait_seconds, context.settings.token_wait_seconds)
    try:
        return await is_applied_within(context, await open_token(context, token), seconds)
    except (MalformedToken, Problem):
        return True


def wait_seconds_for(path: str) -> float:
    """Return the seconds that a page waits. Operators look when the tables stand still."""
    is_for_operators = path.startswith(tuple(f"/console/{name}" for _, name, _ in OPERATOR_PAGES))
    return 0.0 if is_for_operators else WAIT_SECONDS
