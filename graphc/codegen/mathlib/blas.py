"""BLAS, by the public pointers of scipy.linalg.cython_blas.

Importing scipy.linalg takes 0.15 s, its module of pointers alone 0.003. So that is loaded alone, under its own name, and is among the imported
modules only as long as somebody asks for the pointers: who imports scipy.linalg later imports it as ever, and gets the same module.

Machine code on disk finds gemm by a symbol of this process, set when this module is imported: an address would not outlive its process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import llvmlite.binding as llvm
import scipy
from numba.extending import get_cython_function_address

__all__ = ["GEMM", "pointers_alone"]

GEMM = {"float32": "sgemm", "float64": "dgemm"}
_NAME = "cython_blas"
_FULL = f"scipy.linalg.{_NAME}"


def _loaded() -> ModuleType | None:
    """The module of pointers; None if it is imported already, or not to be found alone."""
    found = PathFinder.find_spec(_NAME, [os.path.join(folder, "linalg") for folder in scipy.__path__])
    spec = spec_from_file_location(_FULL, found.origin) if found is not None and _FULL not in sys.modules else None
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules.pop(_FULL, None)
    return module


_POINTERS = _loaded()


@contextmanager
def pointers_alone() -> Iterator[None]:
    """Where scipy.linalg.cython_blas can be imported without scipy.linalg."""
    placed = _POINTERS is not None and _FULL not in sys.modules
    if placed:
        sys.modules[_FULL] = _POINTERS                                     # type: ignore[assignment]
    try:
        yield
    finally:
        if placed:
            sys.modules.pop(_FULL, None)


with pointers_alone():
    for _name in GEMM.values():
        llvm.add_symbol(f"graphc_{_name}", get_cython_function_address(_FULL, _name))
