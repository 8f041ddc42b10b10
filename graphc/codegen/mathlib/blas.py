"""BLAS by way of scipy's public pointers, which are asked for when a product is first large enough.

    machine code  ->  the cell graphc_sgemm  ->  first `_found`, which writes scipy's sgemm into the cell and calls it; then sgemm

Machine code on disk finds a cell by a symbol of this process, set when this module is imported: an address would not outlive its process.
Importing scipy.linalg takes 0.13 s, and small products are loops.
"""

from __future__ import annotations

import ctypes
import os
import traceback
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Any

import llvmlite.binding as llvm
from numba.extending import get_cython_function_address

__all__ = ["GEMM"]

GEMM = {"float32": "sgemm", "float64": "dgemm"}
_CALL = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)


def _check() -> None:
    """That scipy.linalg is there: from within machine code no error can be raised."""
    scipy = find_spec("scipy")
    folders = [os.path.join(f, "linalg") for f in scipy.submodule_search_locations or ()] if scipy else []
    if PathFinder.find_spec("cython_blas", folders) is None:
        raise ImportError("matrix products call BLAS by scipy.linalg.cython_blas, which this installation lacks; reinstall scipy")


def _finder(name: str, cell: ctypes.c_void_p) -> Any:
    """What a cell holds at first."""
    def _found(*arguments: int) -> None:
        try:
            address = get_cython_function_address("scipy.linalg.cython_blas", name)
        except BaseException:                      # a result that was not computed must not be returned
            traceback.print_exc()
            os.abort()
        cell.value = address
        _CALL(address)(*arguments)
    return _CALL(_found)


_check()
_CELLS = {name: ctypes.c_void_p() for name in GEMM.values()}
_FINDERS = {name: _finder(name, cell) for name, cell in _CELLS.items()}          # kept for as long as the process lives
for _name, _cell in _CELLS.items():
    _cell.value = ctypes.cast(_FINDERS[_name], ctypes.c_void_p).value
    llvm.add_symbol(f"graphc_{_name}", ctypes.addressof(_cell))
