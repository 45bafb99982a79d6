"""`crm contract`: the export of the contract, and the check against it."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.cli import main
from services.cli.commands.contract import RELEASED


def run(*words: str | Path) -> int:
    return main.run(["contract", *map(str, words)])


def edit(directory: Path, name: str, **fields: Any) -> None:
    """Change fields of an event in the contract of `directory`."""
    path = directory / "contract.json"
    released = orjson.loads(path.read_bytes())
    released["events"][name].update(fields)
    path.write_bytes(orjson.dumps(released))


@pytest.fixture
def released(tmp_path: Path) -> Path:
    assert run("export", tmp_path) == 0
    return tmp_path


def test_the_committed_contract_equals_the_catalog(capsys: pytest.CaptureFixture[str]) -> None:
    committed = Path(__file__).parents[3] / RELEASED
    assert run("check", committed) == 0
    assert "equals the released contract" in capsys.readouterr().err


def test_an_export_has_a_contract_an_asyncapi_document_and_a_schema_for_each_event(
    released: Path,
) -> None:
    assert orjson.loads((released / "asyncapi.json").read_bytes())["asyncapi"] == "3.0.0"
    events = orjson.loads((released / "contract.json").read_bytes())["events"]
    schemas = {path.name for path in (released / "schemas").iterdir()}
    assert schemas == {f"{name}.v{event['version']}.json" for name, event in events.items()}


def test_exporting_twice_changes_nothing(released: Path) -> None:
    before = {path: path.read_bytes() for path in released.rglob("*.json")}
    assert run("export", released) == 0
    assert before == {path: path.read_bytes() for path in released.rglob("*.json")}


def test_the_schema_of_an_older_version_stays(released: Path) -> None:
    old = released / "schemas" / "tour.scheduled.v2.json"
    old.write_text("{}")
    assert run("export", released) == 0
    assert old.exists()


def test_a_compatible_change_passes_and_requests_an_export(
    released: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = orjson.loads((released / "contract.json").read_bytes())
    del contract["events"]["lead.erased"]
    (released / "contract.json").write_bytes(orjson.dumps(contract))
    assert run("check", released) == 0
    output = capsys.readouterr()
    assert re.search(r"^compatible +lead\.erased +new event", output.out, re.MULTILINE)
    assert "run `crm contract export`" in output.err


def test_a_breaking_change_fails_and_is_named(
    released: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(released, "lead.noted", intake="no")
    assert run("check", released) == 1
    output = capsys.readouterr()
    assert re.search(
        r"^incompatible +lead\.noted +intake no became decided", output.out, re.MULTILINE
    )
    assert output.err.startswith("crm: 1 of these changes break the contract")


def test_an_export_does_not_replace_a_broken_contract(
    released: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(released, "lead.noted", intake="no")
    broken = (released / "contract.json").read_bytes()
    assert run("export", released) == 1
    assert (released / "contract.json").read_bytes() == broken
    assert "lead.noted" in capsys.readouterr().out
    assert run("export", released, "--even-if-incompatible") == 0
    assert run("check", released) == 0


@pytest.mark.parametrize(("intake", "compatible"), [("decided", True), ("no", False)])
def test_the_check_prints_json(
    released: Path, capsys: pytest.CaptureFixture[str], intake: str, compatible: bool
) -> None:
    edit(released, "lead.noted", intake=intake)
    capsys.readouterr()
    assert run("check", released, "--json") == (0 if compatible else 1)
    result = orjson.loads(capsys.readouterr().out)
    assert result["compatible"] is compatible
    assert len(result["changes"]) == (0 if compatible else 1)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"events": 7}', b'{"events": {"a.b": {}}}'])
def test_an_invalid_contract_file_is_reported_in_one_line(
    released: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (released / "contract.json").write_bytes(content)
    assert run("check", released) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_missing_contract_is_reported_with_the_command_that_creates_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", tmp_path) == 1
    assert "crm contract export" in capsys.readouterr().err
