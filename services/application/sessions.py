"""Visitors who come back to a session whose row is gone."""

from dataclasses import replace
from datetime import timedelta

from events.record import Stream
from services.application.unit_of_work import UnitOfWork
from services.deciders.sessions import StartSession

ROWS_ARE_THERE_AFTER = timedelta(days=1)


async def begin_anew(uow: UnitOfWork, start: StartSession) -> None:
    """Say again that a session began whose row retention has removed: by that row its visitor is
    known, who may read what is said in it from now on. Where the row is only late, it is ignored.
    """
    history = await uow.history(Stream("session", start.session_id))
    if not history or history[0].occurred_at > uow.scope.at - ROWS_ARE_THERE_AFTER:
        return
    asked = "SELECT EXISTS (SELECT FROM widget_sessions WHERE id = $1)"
    if not await uow.conn.fetchval(asked, start.session_id):
        await uow.do(replace(start, anew=True))
