"""What tests of CUDA ask for: modules are skipped where kernels cannot be compiled, tests by their marks where what these name is missing.

The reasons name `cuda` or `gpu`, so that GRAPHC_REQUIRE="cuda" makes failures of them (see tests/conftest.py).
"""

from __future__ import annotations

import os
from functools import cache

import pytest

from graphc.codegen.cudalib.toolkit import parts


def _compiler() -> str:
    """Why kernels cannot be compiled here, or nothing."""
    return next((f"cuda: {part.name} does not work here: {part.problem}" for part in map(parts().get, ("numba-cuda", "NVVM")) if part and part.problem), "")


def _assembler() -> str:
    missing = all(parts()[name].problem for name in ("nvJitLink", "ptxas"))
    return "cuda: neither nvJitLink nor ptxas works here" if missing else ""


@cache
def _device() -> str:
    try:
        import cupy
        return "" if cupy.cuda.runtime.getDeviceCount() else "gpu: no CUDA device"
    except Exception as error:                     # a missing driver is whatever CuPy raises
        return f"gpu: no CUDA device: {error}"


MARKS = {"ptxas": _assembler, "gpu": _device}


class _Absent(pytest.Module):
    def collect(self):
        pytest.skip(_compiler(), allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return _Absent.from_parent(parent, path=module_path) if _compiler() else None


def pytest_runtest_setup(item):
    for mark, missing in MARKS.items():
        if item.get_closest_marker(mark) and (reason := missing()):
            pytest.skip(reason)


def pytest_runtest_logreport(report):
    """A worker of xdist whose device is lost ends; another takes its place, with the tests that are left."""
    if report.failed and "context is lost" in report.longreprtext and "PYTEST_XDIST_WORKER" in os.environ:
        os._exit(1)
