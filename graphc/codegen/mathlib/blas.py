"""BLAS, by the public pointers of scipy.linalg.cython_blas.

Importing scipy.linalg takes 0.15 s, its module of pointers alone 0.003. So that is loaded alone, under its own name, and taken out of the imported
modules again: who imports scipy.linalg later imports it as ever, and gets the same module.

Machine code on disk finds gemm by a symbol of this process, set when this module is imported: an address would not outlive its process.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location

import llvmlite.binding as llvm
import scipy
from numba.extending import get_cython_function_address

__all__ = ["GEMM"]

GEMM = {"float32": "sgemm", "float64": "dgemm"}
_PACKAGE, _NAME = "scipy.linalg", "cython_blas"


def _addresses() -> dict[str, int]:
    """The addresses of functions, by name; of the imported module, if it is there or not to be found alone."""
    full = f"{_PACKAGE}.{_NAME}"
    found = PathFinder.find_spec(_NAME, [os.path.join(folder, "linalg") for folder in scipy.__path__])
    spec = spec_from_file_location(full, found.origin) if found is not None and full not in sys.modules else None
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[full] = module
    try:
        return {name: get_cython_function_address(full, name) for name in GEMM.values()}
    finally:
        if spec is not None:
            sys.modules.pop(full, None)


for _name, _address in _addresses().items():
    llvm.add_symbol(f"graphc_{_name}", _address)
