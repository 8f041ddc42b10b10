"""The functions of mathlib in float32, for kernels of CUDA. Those raise nothing: `checked` is in `indices`."""

from numba import float32

from graphc.codegen.mathlib.library import NAMES, library

globals().update(library(float32, alone=True))
__all__ = [name for name in NAMES if name != "checked"]
