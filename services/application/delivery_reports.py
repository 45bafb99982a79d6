"""The use case of a provider's report about a message that it took, or may have taken."""

from dataclasses import dataclass
from uuid import UUID

from events.deliveries import ReconciledOutcome
from services.application.unit_of_work import UnitOfWork
from services.deciders import hand_overs
from services.deciders.delivery_state import DeliveryStatus
from services.deciders.hand_overs import ReconcileDelivery, ReportDelivery

ACTOR = "provider:report"


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A report: the message arrived or not, or (`arrived` is None) it is on its way.

    `is_known` tells that the provider has the message, which settles an unknown hand-over.
    """

    delivery_id: UUID
    arrived: bool | None
    external_id: str | None
    detail: str
    code: str | None = None
    is_known: bool = False


async def report_delivery(uow: UnitOfWork, report: DeliveryReport) -> None:
    """Append a report. Reports may come twice, in another order, and before the first answer."""
    if report.arrived is not None:
        reason = None if report.arrived else report.detail
        await uow.execute(ReportDelivery(
            report.delivery_id, report.arrived, report.external_id, reason, report.code
        ))  # fmt: skip
        return
    delivery = await uow.load(hand_overs.decider, report.delivery_id)
    if report.is_known and delivery.status is DeliveryStatus.UNKNOWN:
        await uow.execute(ReconcileDelivery(
            report.delivery_id, ReconciledOutcome.DELIVERED, report.external_id, report.detail
        ))  # fmt: skip
