"""What all tests share: a kernel cache of their own, reproducible hypothesis, and skips that are failures where a capability is required."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("graphc", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("graphc")

REQUIRED = os.environ.get("GRAPHC_REQUIRE", "").split()


def pytest_configure(config: pytest.Config) -> None:
    """Kernels go to a folder of this run, which its worker processes share, unless GRAPHC_CACHE names one."""
    if "GRAPHC_CACHE" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="graphc-tests-", ignore_cleanup_errors=True)
        os.environ["GRAPHC_CACHE"] = folder.name
        config.add_cleanup(folder.cleanup)


@pytest.fixture(scope="session")
def drawing() -> None:
    """What a test that draws asks for: it is skipped where no Graphviz works."""
    from graphc.errors import RenderError
    from graphc.render.backends import draw
    try:
        draw("digraph { a }", "svg")
    except RenderError as error:
        pytest.skip(f"neither dot nor pygraphviz draws here: {error}")


def _missing(report: pytest.CollectReport | pytest.TestReport) -> str | None:
    """The reason of a skip that names a capability of GRAPHC_REQUIRE."""
    if not report.skipped or hasattr(report, "wasxfail") or not isinstance(report.longrepr, tuple):
        return None
    reason = report.longrepr[2]
    return reason if any(re.search(rf"\b{re.escape(name)}\b", reason) for name in REQUIRED) else None


def _fail_on_missing(report: pytest.CollectReport | pytest.TestReport) -> None:
    reason = _missing(report)
    if reason is not None:
        report.outcome = "failed"
        report.longrepr = f"GRAPHC_REQUIRE={' '.join(REQUIRED)!r} forbids to skip this: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_on_missing(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_on_missing(report)
    return report
