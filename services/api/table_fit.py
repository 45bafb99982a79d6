"""The refusal of writes while the host's tables cannot hold the core's rows."""

from services.api.auth.console_users import ConsoleUser
from services.api.auth.visitors import Visitor
from services.api.context import ApiContext
from services.api.problems import RETRY_SECONDS, Problem
from services.runtime.table_fit import UnfitTables


async def require_fitting_tables(context: ApiContext, caller: Visitor | ConsoleUser | None) -> None:
    """Raise 503 while a table cannot hold the core's rows: their events would be parked.

    Only console users get the statement that mends it: visitors learn nothing about the database.
    """
    try:
        await context.table_fit.require()
    except UnfitTables as error:
        is_console = isinstance(caller, ConsoleUser)
        raise Problem(
            503, "unfit_tables",
            str(error) if is_console else "the database cannot store this now: try again later",
            headers={"Retry-After": str(RETRY_SECONDS)},
        ) from error  # fmt: skip
