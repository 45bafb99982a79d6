"""Production code that nothing uses is deleted, and so is a dependency that nothing imports."""

import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel
from vulture import Vulture

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
PACKAGES = ("events", "projections", "services", "migrations")

DECORATORS = [
    "@app.*", "@compiles*", "@field_serializer*", "@field_validator*", "@model_serializer*",
    "@model_validator*", "@projection.on*", "@router.*", "@validator*",
]  # fmt: skip
"""Decorators that register a function: commands, routes, handlers of projections, validators."""

MIGRATION_NAMES = ["revision", "down_revision", "upgrade", "downgrade"]
"""Names that Alembic reads in each migration."""

ALLOWED = {
    "MemoryRecords": "replaces an attribute of aiokafka",
    "RequestResponseCycle": "used in a cast in quotes",
    "Select": "used in annotations in quotes, because the class is not generic at run time",
    "__getitem__": "part of the Mapping interface",
    "__pydantic_base_init__": "read by pydantic",
    "adopted_message_id": "read by name: a key of the projection of messages",
    "as_list": "a field of a tuple that is unpacked",
    "capture_signals": "called by uvicorn",
    "collect": "called by prometheus_client",
    "disconnected": "read by uvicorn",
    "do_POST": "called by http.server",
    "dotenv_settings": "a parameter of the interface of pydantic-settings",
    "factors_json": "a field of a tuple that is unpacked",
    "file_secret_settings": "a parameter of the interface of pydantic-settings",
    "find_gaps": "with it, a test applies the log without a consumer",
    "generate_span_id": "called by opentelemetry",
    "generate_trace_id": "called by opentelemetry",
    "get_field_value": "part of the settings source interface of pydantic-settings",
    "get_reset_query": "overrides a method of asyncpg, which calls it",
    "handlers": "read by the module logging",
    "handle_DATA": "called by aiosmtpd",
    "Kafka": "Apache Kafka without Docker, for `make test-kafka` and the benchmarks",
    "log_message": "overrides a method of http.server, which calls it",
    "model_config": "read by pydantic",
    "main_loop": "called by uvicorn",
    "on_partitions_assigned": "called by aiokafka",
    "on_partitions_revoked": "called by aiokafka",
    "optional_ids": "declared by event classes; a test over the catalog reads it",
    "output_buffer": "read by Alembic",
    "globals": "read by Jinja",
    "send_400_response": "called by uvicorn",
    "settings_customise_sources": "called by pydantic-settings",
    "should_exit": "read by uvicorn",
    "timeout_keep_alive_task": "read by uvicorn",
    "wipe": "a method of the broker interface: tests of a lost broker call it",
}
"""Names that vulture cannot see in use, each with the reason."""


@cache
def names_of_values() -> frozenset[str]:
    """Return the names of all fields of pydantic models and of all members of enumerations.

    They belong to the contract, or to HTTP bodies, also where the code does not name them.
    """
    for package in PACKAGES:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not found.name.endswith("__main__") and "migrations." not in found.name:
                importlib.import_module(found.name)
    models = {name for model in subclasses(BaseModel) for name in model.model_fields}
    members = {name for kind in subclasses(Enum) for name in kind.__members__}
    return frozenset(models | members)


def subclasses(kind: type[T]) -> Iterator[type[T]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def unused_code() -> dict[str, str]:
    """Return the findings of vulture without fields and members: name → file and line."""
    vulture = Vulture(ignore_names=MIGRATION_NAMES, ignore_decorators=DECORATORS)
    vulture.scavenge([str(ROOT / package) for package in PACKAGES])
    return {
        item.name: f"{Path(item.filename).relative_to(ROOT)}:{item.first_lineno}"
        for item in vulture.get_unused_code(min_confidence=60)
        if not (item.typ == "variable" and item.name in names_of_values())
        and item.name not in names_in_templates()
    }


def names_in_templates() -> set[str]:
    """Return the attributes that the templates of the console read."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "services").rglob("*.html")]
    return set(re.findall(r"\.([a-z_]+)", "\n".join(texts)))


def test_all_production_code_is_used() -> None:
    unused = unused_code()
    assert {name: line for name, line in unused.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) - set(unused) == set(), "remove these names from ALLOWED"


def test_all_dependencies_are_used_and_declared() -> None:
    deptry = Path(sys.executable).with_name("deptry")
    check = subprocess.run(
        [deptry, *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr
