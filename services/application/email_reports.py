"""The use case of a report about an e-mail: a bounce, or a complaint of the recipient."""

from datetime import datetime
from uuid import uuid5

import asyncpg

from events.record import Cause, Stream
from services.adapters.email_reports import EmailReport, ReportKind
from services.application.command_handler import transact
from services.application.delivery_reports import DeliveryReport, report_delivery
from services.application.scope import Scope
from services.application.suppressions import COMPLAINT, withdraw_for_delivery
from services.application.unit_of_work import UnitOfWork
from services.host import find_stream_owner

ACTOR = "provider:email"


async def receive_email_report(conn: asyncpg.Connection, report: EmailReport, at: datetime) -> bool:
    """Record a report; return False if the delivery does not exist.

    The organisation is that of the delivery. Its id is in the Message-ID, which only the recipient
    and the mail servers know. So a forged report can only end the messages to its own sender.
    """
    owner = await find_stream_owner(conn, Stream("delivery", report.delivery_id))
    if owner is None or owner[1] is None:
        return False

    async def work(uow: UnitOfWork) -> None:
        if report.kind is ReportKind.COMPLAINT:
            await withdraw_for_delivery(
                uow, report.delivery_id, COMPLAINT, at, report.detail,
                uuid5(report.delivery_id, COMPLAINT),
            )  # fmt: skip
        elif report.kind is not ReportKind.DELAYED:
            await report_delivery(uow, DeliveryReport(
                report.delivery_id, report.kind is ReportKind.DELIVERED, None, report.detail,
                report.code,
            ))  # fmt: skip

    await transact(conn, Scope(owner[0], owner[1], at, Cause(ACTOR)), work)
    return True
