"""One command in a transaction of its own: what the tests of commands send."""

from events.log.commands import CommandId
from services.application.command_handler import transact
from services.application.command_result import CommandResult
from services.application.command_transaction import Database
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork


async def handle_command(
    database: Database, scope: Scope, command: object, *, command_id: CommandId | None = None
) -> CommandResult[None]:
    """Decide one command and append its events. Raises `Refused` and `Conflict`."""

    async def work(uow: UnitOfWork) -> None:
        await uow.execute(command)

    return await transact(database, scope, work, command_id=command_id)
