"""Bounds of the settings: a value at a bound is accepted, and the next one is refused by name."""

import base64
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from services.intake.settings import PREFIX, IntakeSettings
from services.local_stack.ports import free_port
from services.runtime.environment import explain
from services.runtime.settings import Settings
from tests.checkout import ROOT
from tests.forked import ForkedProcess

ADDRESSES = {"database_url": "postgresql://u:p@db/crm", "kafka_bootstrap_servers": "b:1"}
TINY = 1e-9
"""A number that is as good as none: it tells "above zero" from "zero or above"."""
POSITIVE = (0, TINY, None, None)

BOUNDS: dict[type[BaseSettings], dict[str, tuple[Any, Any, Any, Any]]] = {
    Settings: {
        "pool_size": (0, 1, 200, 201),
        "statement_timeout_seconds": POSITIVE,
        "idle_in_transaction_seconds": POSITIVE,
        "topic_partitions": (0, 1, 64, 128),
        "topic_replicas": (0, 1, 10, 11),
        "jwks_lifespan_seconds": POSITIVE,
        "jwks_refetch_seconds": (-TINY, 0, None, None),
        "jwks_outage_seconds": (-TINY, 0, None, None),
        "caller_seconds": (-TINY, 0, 2, 2.1),
        "session_token_hours": (0, TINY, 2_160, 2_160.1),
        "http_port": (-1, 0, 65_535, 65_536),
        "api_processes": (0, 1, 64, 65),
        "http_head_seconds": (0, TINY, 300, 300.1),
        "http_body_seconds": (0, TINY, 300, 300.1),
        "token_wait_seconds": (-TINY, 0, 60, 60.1),
        "safety_poll_seconds": (0.009, 0.01, 600, 600.1),
        "streams_per_process": (-1, 0, 10_000, 10_001),
        "streams_per_property_percent": (0, 1, 100, 101),
        "streams_per_network_percent": (0, 1, 100, 101),
        "streams_reserve_percent": (-1, 0, 99, 100),
        "stream_seconds": (0, TINY, 3_600, 3_600.1),
        "responder_timeout_seconds": (0, TINY, 9.5, 9.6),
        "send_lease_seconds": (1 - TINY, 1, 3_600, 3_600.1),
        "sms_per_second": (-TINY, 0, 10_000, 10_000.1),
        "emails_per_second": (-TINY, 0, 10_000, 10_000.1),
        "health_port": (-1, 0, 65_535, 65_536),
        "smtp_port": (0, 1, 65_535, 65_536),
        "smtp_timeout_seconds": (0, TINY, 120, 120.1),
        "sms_timeout_seconds": (0, TINY, 120, 120.1),
        "webhook_timeout_seconds": (0, TINY, 120, 120.1),
    },
    IntakeSettings: {
        "wait_seconds": (-TINY, 0, None, None),
        "waiting_at_most": (-1, 0, None, None),
        "first_retry_seconds": POSITIVE,
        "longest_retry_seconds": POSITIVE,
        "batch_records": (0, 1, 20_000, 20_001),
        "batch_seconds": (-TINY, 0, None, None),
        "deferred_at_most": (-1, 0, None, None),
        "patience_seconds": POSITIVE,
    },
}
"""Setting → the highest refused value below its range, its lowest and highest values, and the
lowest refused value above it. None: the range has no end."""
LENGTHS: dict[str, tuple[list[str], list[str]]] = {
    "kafka_bootstrap_servers": (["b"], [""]),
    "topic_prefix": (["c", "c" * 100], ["", "c" * 101, "c/d", "c d", "c\n"]),
    "jwt_audience": (["a"], [""]),
    "jwt_secret": (["s" * 32], ["s" * 31]),
    "console_oidc_client_id": (["c", "c" * 200], ["", "c" * 201]),
    "responder_model": (["m", "m" * 200], ["", "m" * 201]),
    "smtp_sender": (["a@b"], ["", "a", "a b@c", "<a@b>"]),
    "sms_auth_token": (["t" * 16], ["t" * 15]),
    "sms_sender": (["+1202", "123", "MG1"], ["", "12", "+0202", "Alder"]),
    "webhook_secret": (
        [base64.b64encode(b"k" * 24).decode(), "whsec_" + base64.b64encode(b"k" * 24).decode()],
        ["", "whsec_", "whsec_" + base64.b64encode(b"k" * 23).decode(), "whsec_no base64 at all!"],
    ),
}
"""Setting → the shortest and longest texts that are accepted, and texts that are refused."""
CASES = [
    (cls, name, *bounds) for cls, settings in BOUNDS.items() for name, bounds in settings.items()
]


def make(cls: type[BaseSettings], **values: object) -> BaseSettings:
    return cls.model_validate((ADDRESSES if cls is Settings else {}) | values)


def assert_refused(cls: type[BaseSettings], name: str, value: object) -> None:
    """Check that a value is refused with the name of its environment variable."""
    with pytest.raises(ValidationError) as error:
        make(cls, **{name: value})
    alias = cls.model_fields[name].validation_alias
    variable = str(alias).upper() if alias else f"{cls.model_config['env_prefix']}{name}".upper()
    assert variable in explain(error.value, prefix=cls.model_config["env_prefix"])


def is_number(field: FieldInfo) -> bool:
    """Return whether the values of a setting are numbers, also if it may be None."""
    types = get_args(field.annotation) or (field.annotation,)
    return int in types or float in types


@pytest.mark.parametrize(("cls", "name", "below", "lowest", "highest", "above"), CASES)
def test_a_number_outside_its_range_is_refused(
    cls: type[BaseSettings], name: str, below: Any, lowest: Any, highest: Any, above: Any
) -> None:
    for accepted in (lowest, highest):
        if accepted is not None:
            assert getattr(make(cls, **{name: accepted}), name) == accepted
    for refused in (below, above, float("inf"), float("nan")):
        if refused is not None:
            assert_refused(cls, name, refused)


@pytest.mark.parametrize("name", LENGTHS)
def test_a_text_of_a_wrong_length_is_refused(name: str) -> None:
    accepted, refused = LENGTHS[name]
    for text in accepted:
        make(Settings, **{name: text})
    for text in refused:
        assert_refused(Settings, name, text)


@pytest.mark.parametrize("cls", BOUNDS)
def test_the_bounds_of_every_setting_are_tested(cls: type[BaseSettings]) -> None:
    numbers = {name for name, field in cls.model_fields.items() if is_number(field)}
    assert set(BOUNDS[cls]) == numbers
    texts = {
        name
        for name, field in cls.model_fields.items()
        if name not in numbers
        and any(hasattr(bound, "min_length") or hasattr(bound, "pattern")
                for bound in field.metadata)
    }  # fmt: skip
    assert texts <= set(LENGTHS)


@pytest.fixture(scope="module")
def used_names() -> set[str]:
    """Return what the tests contain of `name=`, `"name"` and `NAME`.

    The tests of this directory that only read and refuse settings do not count.
    """
    others = {"conftest.py", "test_settings.py", Path(__file__).name}
    paths = [path for path in (ROOT / "tests").rglob("*.py") if path.name not in others]
    source = "\n".join(path.read_text() for path in paths)
    return {*re.findall(r'\b\w+=|"\w+"', source), *re.findall(r"\b[A-Z][A-Z0-9_]*\b", source)}


@pytest.mark.parametrize("cls", BOUNDS)
def test_every_setting_is_set_by_a_test_of_its_effect(
    cls: type[BaseSettings], used_names: set[str]
) -> None:
    for name in cls.model_fields:
        variable = f"{cls.model_config['env_prefix']}{name}".upper()
        forms = {f"{name}=", f'"{name}"', variable, name.upper()}
        assert not forms.isdisjoint(used_names), f"no test sets {name}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAIT_SECONDS", "-5"),
        ("KEYS", '{"ours": {"org": "6f1f1d3e-0000-4000-8000-000000000000", "secret": "hidden"}}'),
        ("KEYS", '{"ours": hidden}'),
    ],
)
async def test_the_intake_ends_with_a_line_that_names_its_wrong_setting(
    kafka_settings: Settings, tmp_path: Path, name: str, value: str
) -> None:
    """The line has no value: it may be the secret of a producer."""
    ready = kafka_settings.model_copy(update={"health_port": free_port()})
    stderr = tmp_path / "stderr"
    process = ForkedProcess("intake", ready, stderr, **{f"{PREFIX}{name}": value})
    await process.start()
    assert await process.wait(60) == 2
    output = stderr.read_text()
    assert output.splitlines()[-1].startswith(f"intake: {PREFIX}{name}")
    assert "Traceback" not in output
    assert "hidden" not in output
