"""A check of the whole run: some test produces each error code that the OpenAPI document names.

Every API client of the tests records the problem documents that it gets. Each test process reports
its records at its end. A run of only some tests checks nothing.
"""

import re
import sys
from typing import Any

import pytest

_produced: set[str] = set()
"""The error codes that the workers of this process report."""
_CHECK = "tests.services.api.openapi_check"
_REPORT = "produced_codes"
_SELECTED = re.compile(r"(?<!not )\b(?!(?:not|and|or)\b)\w+")
"""A marker that an expression of `-m` selects: such a run is only a part of the tests."""
EXCEPTIONS = {
    "disconnected": "the client is gone, so nobody gets the response",
    "internal": "only an unknown fault produces it",
}
"""Documented codes that the clients of the tests do not get, with the reason."""


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the records of a worker process."""
    _produced.update(getattr(node, "workeroutput", {}).get(_REPORT, ()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of all tests in which no test produced some documented code."""
    config = session.config
    if check := sys.modules.get(_CHECK):  # not imported here: tests without the API start faster
        _produced.update(check.PRODUCED_CODES)
    if hasattr(config, "workeroutput"):
        config.workeroutput[_REPORT] = sorted(_produced)
        return
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    is_whole = is_whole and not _SELECTED.search(config.option.markexpr)
    if not is_whole or config.option.keyword or config.option.collectonly or session.testsfailed:
        return
    from tests.services.api.openapi_check import documented_codes

    if missing := documented_codes() - _produced - EXCEPTIONS.keys():
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        assert reporter is not None
        reporter.write_line(f"no test produced these documented error codes: {sorted(missing)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
