"""The functions of mathlib in float64, for kernels of CUDA. Those raise nothing: `checked` is in `indices`."""

from numba import float64

from graphc.codegen.mathlib.library import NAMES, library

globals().update(library(float64, alone=True))
__all__ = [name for name in NAMES if name != "checked"]
