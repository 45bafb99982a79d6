"""The catalog of policies, in the order in which they act because of one event."""

from services.workflows.policies.enrol import ENROL
from services.workflows.policies.exit import EXIT
from services.workflows.policies.merge import MERGE
from services.workflows.policies.no_show_corrections import NO_SHOW_CORRECTIONS
from services.workflows.policies.policy import Policy
from services.workflows.policies.signal import SIGNAL
from services.workflows.policies.suppress import SUPPRESS
from services.workflows.policies.tour_messages import TOUR_MESSAGES
from services.workflows.policies.unsent_messages import SKIP_MESSAGES

CATALOG: tuple[Policy, ...] = (
    SUPPRESS, EXIT, MERGE, NO_SHOW_CORRECTIONS, SKIP_MESSAGES, TOUR_MESSAGES, SIGNAL, ENROL,
)  # fmt: skip
