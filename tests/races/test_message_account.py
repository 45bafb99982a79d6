"""The account of messages refuses a second request, a lost message and an unexplained unknown."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.application.hand_overs import LOST
from tests.races.lying_server import Handling, LyingServer
from tests.races.message_account import Kill, Message, take_account
from tests.services.adapters.provider_servers import Mode

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
LEASE = timedelta(seconds=8)
BODY = "hello N1"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def make_message(*types: str, error: str = LOST, outcome: str = "delivered") -> Message:
    """Return a message with one event a second, whose claim ends before it is unknown."""
    times = [at(20 if name in ("unknown", "reconciled") else n) for n, name in enumerate(types)]
    payloads = [
        {
            "body": BODY, "simulated": False, "reason": "quiet_hours", "outcome": outcome,
            "detail": error, "lease_until": (time + LEASE).isoformat(),
        }
        for time in times
    ]  # fmt: skip
    return Message(uuid4(), BODY, list(types), times, payloads)


def serve(*handlings: Handling) -> LyingServer:
    return LyingServer(seen={BODY: list(handlings)} if handlings else {})


def handle(mode: Mode = Mode.ACCEPT, seconds: float = 1.5, sender: str = "sender-1") -> Handling:
    return Handling(mode, sender, at(seconds))


def kill(name: str, seconds: float) -> Kill:
    return Kill(name, at(seconds), at(seconds + 0.1))


UNKNOWN = ("planned", "claimed", "unknown")


@pytest.mark.parametrize(
    "handlings",
    [
        (handle(), handle()),
        (handle(Mode.DROP), handle()),
        (handle(), handle(Mode.BUSY)),
    ],
    ids=["accepted twice", "dropped and accepted", "busy after accepted"],
)
def test_a_second_request_is_refused(handlings: tuple[Handling, ...]) -> None:
    with pytest.raises(AssertionError):
        take_account([make_message("planned", "claimed", "handed_over")], serve(*handlings), [])


def test_a_second_message_with_the_same_text_is_refused() -> None:
    messages = [make_message("planned", "skipped"), make_message("planned", "skipped")]
    with pytest.raises(AssertionError):
        take_account(messages, serve(), [])


@pytest.mark.parametrize(
    "types",
    [("planned",), ("planned", "claimed"), ("planned", "claimed", "released")],
    ids="-".join,
)
def test_a_message_that_nobody_finished_is_refused(types: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError):
        take_account([make_message(*types)], serve(), [])


@pytest.mark.parametrize(
    ("types", "mode"),
    [
        (("planned", "claimed", "handed_over"), Mode.REFUSE),
        (("planned", "claimed", "failed"), Mode.ACCEPT),
        (("planned", "skipped"), Mode.ACCEPT),
        (("planned", "held"), Mode.ACCEPT),
    ],
    ids=["sent but refused", "failed but accepted", "skipped but accepted", "held but accepted"],
)
def test_an_end_that_does_not_fit_to_the_request_is_refused(
    types: tuple[str, ...], mode: Mode
) -> None:
    with pytest.raises(AssertionError):
        take_account([make_message(*types)], serve(handle(mode)), [])


def test_an_accepted_message_of_which_the_log_says_never_sent_is_refused() -> None:
    message = make_message(*UNKNOWN, "reconciled", outcome="never_sent")
    with pytest.raises(AssertionError):
        take_account([message], serve(handle()), [kill("sender-1", 2)])


@pytest.mark.parametrize(
    ("handlings", "error", "kills", "cause"),
    [
        ([handle(Mode.DROP)], "no answer: ReadError", [], "the provider: drop"),
        ([handle()], "no answer: ReadTimeout", [], "the answer came after the time-out"),
        ([handle()], LOST, [kill("sender-1", 2)],
         "the sender was killed between the request and its result"),
        ([], LOST, [kill("sender-3", 2)],
         "the sender was killed between the claim and the request"),
        ([], LOST, [kill("postgres", 1)], "the database was killed at the commit of the claim"),
    ],
    ids=["dropped", "late", "killed after", "killed before", "database killed"],
)  # fmt: skip
def test_an_unknown_message_has_a_cause(
    handlings: list[Handling], error: str, kills: list[Kill], cause: str
) -> None:
    account = take_account([make_message(*UNKNOWN, error=error)], serve(*handlings), kills)
    assert (account.causes, account.ends) == ({cause: 1}, {"unknown": 1})


@pytest.mark.parametrize(
    ("handlings", "error", "kills"),
    [
        ([handle()], LOST, []),
        ([handle()], LOST, [kill("sender-2", 2)]),
        ([handle()], LOST, [kill("sender-1", 30)]),
        ([], LOST, [kill("sender-1", 0.5)]),
        ([], LOST, [kill("api", 2)]),
        ([handle()], "ValueError: of the sender", []),
    ],
    ids=["no kill", "another sender", "after it", "before the claim", "the API", "an error"],
)
def test_an_unknown_message_without_a_cause_is_refused(
    handlings: list[Handling], error: str, kills: list[Kill]
) -> None:
    with pytest.raises(AssertionError):
        take_account([make_message(*UNKNOWN, error=error)], serve(*handlings), kills)
