"""A pytest plugin that makes a skipped test a failed one: `pytest -p support.no_skips`, as every make target does.

A test that needs a server, an interpreter or a package must say so by failing, with a hint how to get it: a green run
in which half of the tests did not run proves nothing.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

_REASON = "this run allows no skipped tests"


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, but {_REASON}: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: skipped, but {_REASON}: {report.longrepr}"
    return report
