"""The CUDA tools, of which this module alone knows where they live: numba-cuda (kernels in Python), NVVM (PTX), nvJitLink (machine code).

They are probed by what they can do, not by their names: numba-cuda without the CUDA runtime fails at import, and not with ImportError;
Numba's own, older target answers to the same name `numba.cuda`. No device and no driver is needed for any of them.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from graphc.errors import TargetError

__all__ = ["MEND", "Part", "parts", "reason", "require", "tool", "cards"]

MEND = "pip install 'graphc[cuda13]'"


@dataclass(frozen=True)
class Part:
    """One tool: what it is for; its version, or why it does not work."""

    name: str
    purpose: str
    version: str = ""
    problem: str = ""


def _numba_cuda() -> str:
    cuda = importlib.import_module("numba.cuda")
    if getattr(cuda, "implementation", "") != "NVIDIA":
        raise TargetError("this is Numba's own target, which is deprecated and cannot compile without a device; numba-cuda takes its place")
    return importlib.metadata.version("numba-cuda")


def _nvvm() -> str:
    _numba_cuda()
    version: tuple[int, int] = importlib.import_module("numba.cuda.cudadrv.nvvm").NVVM().get_version()
    return ".".join(map(str, version))


def _nvjitlink() -> str:
    version: tuple[int, int] = importlib.import_module("cuda.bindings.nvjitlink").version()
    return ".".join(map(str, version))


def _ptxas() -> str:
    found = shutil.which("ptxas")
    if found is None:
        raise TargetError("there is no ptxas on the PATH")
    return found


def _cupy() -> str:
    return str(importlib.import_module("cupy").__version__)


def _cublas() -> str:
    assert importlib.import_module("cupy.cuda").cublas                     # loads the library
    return "as CuPy loads it"


_PROBES: dict[str, tuple[str, Callable[[], str]]] = {
    "numba-cuda": ("compiles kernels", _numba_cuda),
    "NVVM": ("makes PTX of them", _nvvm),
    "nvJitLink": ("makes machine code of PTX", _nvjitlink),
    "ptxas": ("the same, where nvJitLink is missing", _ptxas),
    "CuPy": ("holds arrays and runs kernels on a device", _cupy),
    "cuBLAS": ("multiplies matrices there", _cublas),
}


@cache
def parts() -> dict[str, Part]:
    """The tools by name, as they were found."""
    return {name: _probe(name, purpose, look) for name, (purpose, look) in _PROBES.items()}


def _probe(name: str, purpose: str, look: Callable[[], str]) -> Part:
    try:
        return Part(name, purpose, version=look())
    except Exception as error:                      # a missing library is whatever its loader raises
        return Part(name, purpose, problem=reason(error))


def reason(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def require(*names: str) -> None:
    """TargetError unless these tools work; without names, those that compile."""
    for name in names or ("numba-cuda", "NVVM"):
        if problem := parts()[name].problem:
            raise TargetError(f'target="cuda" needs {name}, which {parts()[name].purpose}, and it does not work here: {problem}. '
                              f"Install it with {MEND} (graphc[cuda12] for drivers before 580); graphc doctor shows all that is found")


def tool(name: str) -> Any:
    """A module of numba-cuda by its name after `numba.cuda`, or a whole name of another tool; TargetError where it does not work."""
    require(*(["nvJitLink"] if name.startswith("cuda.") else []))
    module: ModuleType = importlib.import_module(name if name.startswith("cuda.") else f"numba.cuda.{name}".rstrip("."))
    return module


def cards() -> list[str]:
    """The devices of this machine by name; TargetError where there is none, or no driver."""
    require("CuPy")
    runtime = importlib.import_module("cupy").cuda.runtime
    try:
        found = [runtime.getDeviceProperties(k) for k in range(runtime.getDeviceCount())]
    except runtime.CUDARuntimeError as error:
        raise TargetError(f"no device answers: {error}. Usually there is no NVIDIA card here, or no driver for it") from None
    if not found:
        raise TargetError("the driver finds no device")
    return [f"{p['name'].decode()} (sm_{p['major']}{p['minor']})" for p in found]
