"""The reasons why messages are not sent, as sentences."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from events.deliveries import DeliveryChannel, DeliveryPurpose, DeliverySkipped
from services.deciders import sending_rules
from services.deciders.delivery_steps import REASONS, describe_reason, explain, step_of
from services.deciders.tour_messages import CHANGED, MOVED

RULINGS = ("hold", "skip")


def codes_of_rules() -> Iterator[str]:
    """Yield the key of every reason that a rule of sending gives."""
    for info in pkgutil.iter_modules(sending_rules.__path__):
        module = importlib.import_module(f"{sending_rules.__name__}.{info.name}")
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", None) in RULINGS:
                match call.args[0]:
                    case ast.Constant(value=str(code)):
                        yield code
                    case ast.Name(id=name) if name.isupper():
                        yield getattr(module, name)
    yield from (CHANGED, MOVED)


def test_every_rule_has_a_reason_in_plain_words() -> None:
    codes = set(codes_of_rules())
    assert len(codes) >= 14
    assert codes <= REASONS.keys()


@pytest.mark.parametrize("code", ["cancelled", "something_new"])
def test_a_skipped_message_is_explained_by_its_reason(code: str) -> None:
    event = DeliverySkipped(
        delivery_id=uuid4(), lead_id=uuid4(), channel=DeliveryChannel.SMS,
        purpose=DeliveryPurpose.MANUAL, reason=code, detail="because",
    )  # fmt: skip
    step = step_of(event, datetime(2026, 3, 1, tzinfo=UTC), "sender")
    assert explain(step) == f"not sent: {describe_reason(code)}: because"
    assert "_" not in describe_reason(code)
