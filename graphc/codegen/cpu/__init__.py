"""A loop program as a Python module for Numba."""

from graphc.codegen.cpu.module import emit
from graphc.codegen.cpu.statements import is_compiled

__all__ = ["emit", "is_compiled"]
